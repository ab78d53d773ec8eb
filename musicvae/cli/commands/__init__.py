"""Commands, one module each, named as they are typed.

A new command is a module here with a click command named `command`, and a line below. Modules are
imported when their command is used.
"""

COMMAND_SECTIONS = {
    "Data and training": {
        "corpus": "list and export the built-in public-domain corpora",
        "prepare": "read a folder of MIDI into shards, with a report",
        "train": "train a model on a folder of MIDI",
        "personalise": "adapt a trained model to your songs, in seconds",
        "refit": "fit the prior or the directions of a trained model again",
        "presets": "list the shipped presets",
        "info": "describe checkpoints",
    },
    "Generate songs": {
        "sample": "sample new songs",
        "interpolate": "interpolate between songs",
        "continue": "continue songs",
        "drumify": "add drums to a melody or a tapped rhythm",
    },
    "Transform songs": {
        "vary": "make variations of songs",
        "infill": "rewrite some bars of songs",
        "steer": "change musical attributes of songs",
        "direction": "learn a latent direction for steer from your songs",
        "denoise": "correct wrong, missing and displaced notes",
        "humanise": "add expressive timing and dynamics to drums",
        "reconstruct": "encode and decode songs",
    },
    "Inspect and evaluate": {
        "inspect": "show what is read from files and what is kept",
        "chords": "show the chords of songs, stated or found",
        "anomalies": "find unusual bars and songs",
        "similar": "find the most similar songs of a folder",
        "map": "plot songs as points in the plane",
        "plot": "plot songs, sound, latents and training curves",
        "evaluate": "evaluate a model on held-out songs",
    },
    "Files and sound": {
        "convert": "convert songs to MIDI or scores, with stems",
        "render": "render songs to audio",
        "transcribe": "transcribe hummed tunes and tapped rhythms to MIDI",
        "encode": "encode a song to a file of latents",
        "decode": "decode a file of latents to a song",
    },
    "Shell": {
        "completion": "print the completion script of a shell",
    },
}
COMMAND_HELP = {
    name: text for section in COMMAND_SECTIONS.values() for name, text in section.items()
}
COMMAND_ALIASES = {"score": "anomalies", "humanize": "humanise", "personalize": "personalise"}
"""Hidden aliases of commands: former names and other spellings."""
