"""faceleak: how much does a face-recognition backbone give away about the people it was trained on?"""

__version__ = "0.1.0"
