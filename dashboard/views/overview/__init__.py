"""The parts of the Overview: the state in one line, the figures, and the charts."""
