"""Chat logs and Reddit dumps: who said what, as texts to learn from.

`discord_export`, `slack_export` and `irc_log` yield `Message`s; `chat_reader` makes a reader for
`trainer.readers.registry` of each, `people` leaves out those who are to be left out, and `styles`
makes texts of what remains. `reddit_dump` is a reader by itself.
"""
