"""The trainer: data in, a finetuned GPT-2 out as a model directory. It never meets the bot."""
