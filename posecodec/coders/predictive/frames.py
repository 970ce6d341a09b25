"""A frame of whole numbers, coded one after the other: each is expected, told, and learned from."""

from __future__ import annotations

import numpy as np

from posecodec.coders.predictive.lattice import FARTHEST
from posecodec.coders.predictive.model import (
    CLASSES,
    DRIFT,
    EARLIER,
    FEATURES,
    FRACTIONS,
    HOLD,
    LAST,
    MISS,
    MISS_BEFORE,
    MIXED,
    MOVE,
    MOVE_BEFORE,
    NEAR,
    NOW,
    QUICK,
    RATIOS,
    SHARED,
    STEADY,
)  # fmt: skip
from posecodec.coders.predictive.regression import FEATURE_BITS, learn, predict
from posecodec.coders.predictive.residual import SHARP_BITS, code_index
from posecodec.entropy.fixed_point import clip
from posecodec.entropy.range_coder import FAULT, is_sound
from posecodec.kernels import allocating_kernel, kernel

NORMAL = 64  # What a usual miss is among features
MOST_FEATURE = 1 << FEATURE_BITS
STEADY_FADING, QUICK_FADING, SHARED_FADING = 8, 5, 9  # Sums halve in about 0.7 x 2**fading values
STEADY_RIDGE, QUICK_RIDGE, SHARED_RIDGE = 30 << 12, 25 << 12, 1 << 12
RECENT, USUAL = 6, 40  # Values that misses are means of, at most
FIRST_USUAL = 4  # Keypoints that misses of first values are means of, at most
FIRST_MISS = 1  # Numbers that the first movement of a keypoint is expected to have
MOST_MISS = 1 << 30
MOST_MOVE = 1 << 34
MOST_HALVINGS = 12
LEAST_GAIN = (
    600  # In 4096ths of a usual miss, that a lattice point must be nearer than the nearest one to what is expected
)


@kernel
def code_frame(state, buffer, reading, frame, mask, offered, model):  # type: ignore[no-untyped-def]
    """Read or write the whole numbers (K, D) of a frame where mask (K,) is set, and learn from them.

    offered: for who writes, lattice points (K, A, D) to choose from, the nearest first; (K, 0, D) for who reads. Those that
    are chosen are put into the frame.
    """
    _begin_frame(model)
    for k in range(mask.size):
        if not mask[k]:
            model.channels[k, :, MOVE : MISS_BEFORE + 1] = 0
            continue
        if offered.shape[1] and model.seen[k]:
            _choose_offered(frame[k], offered[k], k, model)
        for order in range(model.axes.size):
            axis = model.axes[order]
            parity = frame[k, model.axes[0]] & 1 if order else np.int64(0)
            stride = np.int64(2) if order else np.int64(1)
            place = (frame[k, axis] - parity) // stride, stride * model.units[axis], parity * model.units[axis]
            if model.seen[k]:
                index = _code_next(state, buffer, reading, place, k, order, model)
            else:
                index = _code_first(state, buffer, reading, place, k, axis, model)
            frame[k, axis] = stride * index + parity
            if abs(frame[k, axis]) > FARTHEST:
                state[FAULT] = 1
            if not is_sound(state, buffer):
                return
        if model.seen[k]:
            model.common[-1] += 1
        model.seen[k] += 1
    for k in range(mask.size):
        if mask[k] and model.seen[k] & (model.seen[k] - 1) == 0:
            _choose_near(k, model)


@allocating_kernel
def _choose_offered(chosen, offered, k, model):  # type: ignore[no-untyped-def]
    """Fill chosen (D,) with that of lattice points (A, D) which is likeliest, about."""
    costs = np.zeros(offered.shape[0], np.int64)
    for order in range(model.axes.size):
        axis = model.axes[order]
        usual = max(model.misses[k, axis, MIXED, 1], model.units[axis] >> 3)
        _fill_features(model, k, order, usual)
        expected = predict(model.shared[axis], model.features)
        steady, quick = predict(model.steady[k, axis], model.features), predict(model.quick[k, axis], model.features)
        _fill_centers(model, k, axis, usual, expected, steady, quick)
        scale = max(model.misses[k, axis, MIXED, 0] + model.misses[k, axis, MIXED, 1], model.units[axis] >> 2)
        for i in range(costs.size):
            off = abs(offered[i, axis] * model.units[axis] - model.estimates.centers[MIXED])
            costs[i] += (min(off, np.int64(MOST_MOVE)) << 12) // scale
    costs[0] -= LEAST_GAIN
    chosen[:] = offered[np.argmin(costs)]


@kernel
def _begin_frame(model):  # type: ignore[no-untyped-def]
    model.common[:] = 0
    for k in range(model.channels.shape[0]):
        for axis in range(model.channels.shape[1]):
            model.channels[k, axis, EARLIER] = model.channels[k, axis, NOW]
            model.channels[k, axis, NOW] = 0


@allocating_kernel
def _choose_near(k, model):  # type: ignore[no-untyped-def]
    """The keypoints seen that are nearest to one now: NEAR of those before it, and one of those after it."""
    near = model.near[k]
    near[:] = -1
    apart = np.zeros(NEAR + 1, np.int64)
    for other in range(model.seen.size):
        if other == k or not model.seen[other]:
            continue
        distance = np.int64(0)
        for axis in range(model.axes.size):
            off = clip(model.channels[other, axis, LAST] - model.channels[k, axis, LAST], MOST_MISS) >> 2
            distance += off * off
        place, first = (NEAR, NEAR) if other > k else (NEAR - 1, 0)
        if near[place] >= 0 and distance >= apart[place]:
            continue
        while place > first and (near[place - 1] < 0 or distance < apart[place - 1]):
            near[place], apart[place] = near[place - 1], apart[place - 1]
            place -= 1
        near[place], apart[place] = other, distance


@kernel
def _code_first(state, buffer, reading, place, k, axis, model):  # type: ignore[no-untyped-def]
    """Read or write the number of a keypoint that was not there before, and return it."""
    index, pitch, offset = place
    estimates, misses, parent = model.first_estimates, model.first_misses[axis], model.parents[k]
    estimates.centers[0] = model.channels[parent, axis, LAST] if parent >= 0 else 0
    estimates.centers[1] = model.channels[k - 1, axis, LAST] if k else 0
    for i in range(misses.size):
        estimates.sharpness[2 * i] = (np.int64(1) << SHARP_BITS) // max(misses[i] >> 1, pitch >> 5)
        estimates.sharpness[2 * i + 1] = (np.int64(1) << SHARP_BITS) // max(misses[i], pitch >> 5)
    model.first_mixer.rows[0] = axis
    halvings = _measure_octaves(misses[0], pitch)
    index = code_index(
        state,
        buffer,
        reading,
        index,
        pitch,
        offset,
        estimates.centers[0],
        halvings,
        0,
        (estimates.centers[0] // pitch, axis),
        estimates,
        model.first_mixer,
    )
    position = index * pitch + offset
    for i in range(misses.size):
        miss = min(abs(position - estimates.centers[i]), np.int64(MOST_MISS))
        misses[i] += (miss - misses[i]) // (min(np.int64(k), np.int64(FIRST_USUAL)) + 1)
    model.channels[k, axis, LAST] = position
    model.misses[k, axis] = FIRST_MISS * model.units[axis]
    return index


@kernel
def _measure_octaves(miss, pitch):  # type: ignore[no-untyped-def]
    """How often a pitch can be doubled and is no more than a miss."""
    octaves = np.int64(0)
    while octaves < MOST_HALVINGS and pitch << (octaves + 1) <= miss:
        octaves += 1
    return octaves


@kernel
def _code_next(state, buffer, reading, place, k, order, model):  # type: ignore[no-untyped-def]
    """Read or write the next number of a channel, and return it."""
    index, pitch, offset = place
    axis = model.axes[order]
    usual = max(model.misses[k, axis, MIXED, 1], model.units[axis] >> 3)
    _fill_features(model, k, order, usual)
    shared, steady, quick = model.shared[axis], model.steady[k, axis], model.quick[k, axis]
    expected = predict(shared, model.features)
    _fill_centers(model, k, axis, usual, expected, predict(steady, model.features), predict(quick, model.features))
    group, halvings = _fill_sharpness(model, k, axis, pitch, offset)
    center = model.estimates.centers[MIXED]
    from_last = model.channels[k, axis, LAST] - offset
    home = from_last // pitch, 2 * axis + (from_last % pitch != 0)
    index = code_index(
        state, buffer, reading, index, pitch, offset, center, halvings, group, home, model.estimates, model.mixer
    )
    position = index * pitch + offset
    moved = clip((position - model.channels[k, axis, LAST]) * NORMAL // usual, MOST_FEATURE)
    rest = clip(moved - (expected >> 16), MOST_FEATURE)
    learn(shared, model.features, moved, SHARED_FADING, SHARED_RIDGE)
    learn(steady, model.features, rest, STEADY_FADING, STEADY_RIDGE)
    learn(quick, model.features, rest, QUICK_FADING, QUICK_RIDGE)
    _update_channel(model, k, axis, position)
    return index


@kernel
def _fill_features(model, k, order, usual):  # type: ignore[no-untyped-def]
    """What movement is expected by, in 64ths of a usual miss."""
    axis, features, near = model.axes[order], model.features, model.near[k]
    own, channels = model.channels[k, axis], model.channels
    features[0], features[1] = own[MOVE], own[MOVE] - own[MOVE_BEFORE]
    features[2], features[3] = own[MISS], own[MISS_BEFORE]
    for i in range(NEAR):
        features[4 + i] = channels[near[i], axis, NOW] if near[i] >= 0 else 0
    features[7] = model.common[axis] // model.common[-1] if model.common[-1] else 0
    for i in range(2):
        features[8 + i] = channels[k, model.axes[i], NOW] if i < order else 0
    features[10] = channels[near[NEAR], axis, EARLIER] if near[NEAR] >= 0 else 0
    for i in range(NEAR):
        features[11 + i] = channels[near[i], axis, MOVE] - own[MOVE] if near[i] >= 0 else 0
    for i in range(FEATURES):
        features[i] = clip(features[i] * NORMAL // usual, MOST_FEATURE)


@kernel
def _fill_centers(model, k, axis, usual, shared, steady, quick):  # type: ignore[no-untyped-def]
    """Where the next position is expected, by each way and by all of them, the better the more."""
    own, centers, misses = model.channels[k, axis], model.estimates.centers, model.misses[k, axis]
    centers[HOLD], centers[DRIFT] = own[LAST], own[LAST] + (3 * own[MOVE] >> 2)
    centers[SHARED] = own[LAST] + ((shared >> 10) * usual >> 12)
    centers[STEADY] = own[LAST] + ((shared + steady >> 10) * usual >> 12)
    centers[QUICK] = own[LAST] + ((shared + quick >> 10) * usual >> 12)
    total, weights = np.int64(0), np.int64(1)
    for i in range(MIXED):
        share = min((usual << 10) // ((misses[i, 0] + misses[i, 1] >> 1) + 1), np.int64(4096))
        share = share * share >> 10
        share = share * share >> 10
        total += share * clip(centers[i] - own[LAST], MOST_MOVE)
        weights += share
    centers[MIXED] = own[LAST] + total // weights


@kernel
def _fill_sharpness(model, k, axis, pitch, offset):  # type: ignore[no-untyped-def]
    """Scales, and the cells that say more; returns the class of the scale and how often first steps are halved."""
    misses, sharpness, rows = model.misses[k, axis], model.estimates.sharpness, model.mixer.rows
    for i in range(misses.shape[0]):
        sharpness[2 * i] = (np.int64(1) << SHARP_BITS) // max(misses[i, 0], pitch >> 5)
        sharpness[2 * i + 1] = (np.int64(1) << SHARP_BITS) // max(misses[i, 1], pitch >> 5)
    scale = max((misses[MIXED, 0] + misses[MIXED, 1]) >> 1, np.int64(1))
    group = min(_measure_octaves(8 * scale, pitch), np.int64(CLASSES - 1))
    center = model.estimates.centers[MIXED]
    border = (center - offset + pitch) // pitch * pitch + offset - (pitch >> 1)
    rows[0] = group * FRACTIONS + (center - border) * 16 // pitch + 8
    rows[1] = CLASSES * FRACTIONS + min(misses[MIXED, 0] * 4 // scale, np.int64(RATIOS - 1)) * CLASSES + group
    rows[2] = CLASSES * (FRACTIONS + RATIOS) + k * model.axes.size + axis
    return group, _measure_octaves(scale, pitch)


@kernel
def _update_channel(model, k, axis, position):  # type: ignore[no-untyped-def]
    """Take in where a keypoint is."""
    own, centers, misses = model.channels[k, axis], model.estimates.centers, model.misses[k, axis]
    for i in range(centers.size):
        miss = min(abs(position - centers[i]), np.int64(MOST_MISS))
        misses[i, 0] += (miss - misses[i, 0]) // min(model.seen[k] + 2, np.int64(RECENT))
        misses[i, 1] += (miss - misses[i, 1]) // min(model.seen[k] + 2, np.int64(USUAL))
    surprise = clip(position - centers[MIXED], MOST_MOVE)
    own[MISS_BEFORE], own[MISS], own[NOW] = own[MISS], surprise, surprise
    own[MOVE_BEFORE], own[MOVE] = own[MOVE], position - own[LAST]
    own[LAST] = position
    model.common[axis] += surprise
