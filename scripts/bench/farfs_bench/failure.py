"""What ends a run, told to the user as it is."""


class Failure(Exception):
    pass
