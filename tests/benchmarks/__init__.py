"""make bench: what each stage costs, and the whole pipeline beside the script that people usually
write.
"""
