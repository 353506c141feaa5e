"""stub"""

ASSUMED_RANGE = (0.5, 1.5)


def value_of_acting(effect, stake, cost, given=0.0):
    return effect * stake - cost - given
