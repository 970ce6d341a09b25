"""Steps and their QPs."""

import numpy as np

from posecodec.signal.quantization import MAX_QP, STEPS_PER_OCTAVE, qp_of_step, step_of_qp


def test_qps_come_back_and_double_every_octave():
    for qp in (-MAX_QP // 6, -17, 0, 1, 144, MAX_QP // 6):
        assert qp_of_step(step_of_qp(qp)) == qp
        assert np.isclose(step_of_qp(qp + STEPS_PER_OCTAVE), 2 * step_of_qp(qp))
    assert qp_of_step(1.02) == 0 and qp_of_step(1.03) == 1


def test_a_step_of_nothing_is_finer_than_any():
    assert qp_of_step(0.0) < -MAX_QP
