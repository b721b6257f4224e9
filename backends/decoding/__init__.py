"""What writing a text token by token takes, whoever computes the logits: sampling, text, hand-over.

Shared by the engine and by the Hugging Face backends; knows no inference library.
"""
