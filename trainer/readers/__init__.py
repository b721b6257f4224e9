"""The formats that texts come in, a module for each.

A reader is a module with three functions, as `registry.Reader` declares them:

- `looks_like(file)` says in a few words why the file has this format, or `""` where it has not.
  It sees the file's name and its beginning, already unpacked and decoded (`DataFile`).
- `notes(file, settings)` says what a person should know of how it will be read, such as which
  column was chosen and how to choose another; or `""`. It may raise `UserError`.
- `read(file, settings, dropped)` yields one text at a time and never holds the whole file. What
  it leaves out it counts in `dropped` by reason, in words that go on "12 …": `dropped["by bots"]`.

It raises `UserError` with what is wrong and what to do. Wrong bytes, damaged compression, a full
disk and too deep nesting need no care: `DataFile.sentences` tells them for all readers. So are
blank and over-long texts, halves of characters and duplicates left to those who read on.

To add a reader, write the module and put it into `registry.READERS` under its `--format` name. Its
options are fields of `trainer.settings.Settings`; those that mean nothing to other formats stand in
`registry.ONLY_FOR`. The tests' torture folder then tries it, too.
"""
