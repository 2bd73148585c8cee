def shift(x):
    return x + 10
