"""The words that the app uses, one plain sentence each, as Help lists them."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "attention": "How the model looks back at earlier tokens and takes from them what the next one needs.",
    "batch": "The pieces of text that the model learns from in one step.",
    "bits per byte": "How surprised the model is by text it has not seen: 8 knows nothing, below 2 writes well; it "
    "compares models whatever their tokens are.",
    "block": "One layer of the model: attention, and after it a small network; they are stacked.",
    "branch": "One of several continuations of the same place.",
    "checkpoint": "The model as it was at one moment of its training.",
    "continuation": "What the model adds after your text.",
    "context length": "How many tokens the model sees at once (block size); what stands before them it does not know.",
    "corpus": "The text that a model learns from.",
    "document": "One file of a corpus; a model learns where it begins and ends.",
    "draft": "What you write here, saved as you type.",
    "epoch": "Once through the whole text.",
    "generator": "The process beside the app that holds the model and writes with it.",
    "gradient norm": "How strongly the last step wanted to change the model; peaks mean rough going.",
    "held-out text": "The last tenth of the corpus, which the model never learns from: it shows what it really knows.",
    "KV cache": "What the model remembers of the tokens before, so that it need not read them again for each new one.",
    "learning rate": "How large the steps are in which the model changes: it rises at first, then falls.",
    "logits": "The model's raw scores for every token that could come next.",
    "loss": "The surprise at each token, in nats; training makes it smaller.",
    "min-p": "Leaves out tokens that are less likely than this share of the likeliest one.",
    "overfitting": "Learning by heart: the training loss still falls, and that of held-out text rises.",
    "parameters": "The numbers that make up the model; training sets them.",
    "perplexity": "Among how many equally likely tokens the model seems to choose; 1 is certainty.",
    "persona": "A speaker in a chat.",
    "prefill": "Reading your text before the first new token is written.",
    "repetition penalty": "Above 1 it makes tokens less likely that have come before.",
    "round": "One of several trainings in the time given, each from the same beginning in another order; they are "
    "averaged.",
    "run": "One training and its log; it goes on when the app is closed.",
    "seed": "The number that chance begins with: the same seed and settings write the same text.",
    "step": "One small change of the model after one batch.",
    "temperature": "Below 1 the likely words are chosen still more often, above 1 the unlikely ones get their chance.",
    "token": "A piece of text, often a word or part of one: what the model reads and writes.",
    "tokenizer": "What cuts text into tokens and puts them together again.",
    "top-k": "Chooses among the k likeliest tokens only.",
    "top-p": "Chooses among the likeliest tokens that together have this probability.",
    "vocabulary": "All the tokens that the model knows.",
}
