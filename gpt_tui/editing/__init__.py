"""The editor without its screen: text, history, authorship, wrapping. Pure Python; no Textual here.

stretches   a sequence of lengths that is searched by offset and by number, and cheaply changed: under all the rest
graphemes   what a reader takes for one character, how wide it is, how it is shown
buffer      the text, in chunks
authorship  whose words are whose
history     what was changed, and how it was before
document    the four together: what an editor edits
wrapping    where rows break
layout      the rows of a whole text, kept up to date as it changes
search      finding, and what to put instead
words       words, sentences, and how many there are
"""
