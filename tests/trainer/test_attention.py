import torch
from torch.nn import functional

from trainer.attention import short_attention


def test_it_is_causal_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8)
    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    found, _ = short_attention(torch.nn.Module().eval(), query, key, value, None)
    torch.testing.assert_close(found, expected.transpose(1, 2))


def test_the_newest_query_of_a_cached_text_sees_every_key():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 6, 8)
    module = torch.nn.Module().eval()
    whole, _ = short_attention(module, query, key, value, None)
    tail, _ = short_attention(module, query[:, :, -2:], key, value, None)
    torch.testing.assert_close(tail, whole[:, -2:])
