"""The transform codec: keypoints to nearly independent channels, blocks of cosines and sines over time, integers, bytes.

`polar` and `graph` turn poses into channels and back; `plan`, `plan_polar` and `plan_graph` choose how, and `fields` writes
that down; `blocks` cuts channels into blocks and transforms them, `coefficients` codes the quantized coefficients with a
learned integer context model, `layer` codes channels with these, `corrections` keeps a bound; `motion` puts all together.
"""
