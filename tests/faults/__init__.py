"""The fault campaign: real faults on the real service, row by row against an undisturbed run. `make
faults`.
"""
