"""DVC stage `self_train`: a run that learns from another model's labels in, a model folder out."""

from stages.train import main

if __name__ == "__main__":
    main("self_train")
