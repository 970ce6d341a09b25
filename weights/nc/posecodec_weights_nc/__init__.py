"""Weights of posecodec for non-commercial use (see LICENSE): found by name once this is installed."""
