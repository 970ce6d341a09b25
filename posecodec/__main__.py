"""`python -m posecodec`: the command line."""

from posecodec.cli import main

if __name__ == "__main__":
    main()
