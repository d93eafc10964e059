"""DVC stage `teach`: the run `teacher` and a seed in, the model that labels caption-only images out."""

from stages.train import main

if __name__ == "__main__":
    main("teach")
