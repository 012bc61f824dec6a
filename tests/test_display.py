"""How values look."""

import base64
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import ArgumentError, BackendError, DGen, ShapeError, Signal, Tensor, display, features

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.figure")
matplotlib.use("Agg")
pytest.importorskip("IPython")


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_a_waveform_shows_every_sample_of_every_lane_in_time():
    samples = np.arange(12.0).reshape(4, 3)
    lines = display.plot(samples, 1000.0).get_lines()
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in lines], 1), samples)
    np.testing.assert_allclose(lines[0].get_xdata(), [0, 1, 2, 3], rtol=1e-6)  # ms
    assert [line.get_label() for line in lines] == ["0", "1", "2"]


def test_a_spectrum_peaks_at_the_frequency_of_a_sine():
    sine = np.sin(2 * np.pi * 1000 * np.arange(800) / 8000)
    line = display.plot(sine, 8000.0, "spectrum").get_lines()[0]
    assert line.get_xdata()[np.argmax(line.get_ydata())] == 1000
    assert line.get_ydata().max() == 0


def test_a_spectrogram_peaks_at_the_frequency_of_a_sine_all_the_time():
    sine = np.sin(2 * np.pi * 1000 * np.arange(8192) / 8000)
    mesh = display.plot(sine, 8000.0, "spectrogram").collections[0]
    level = mesh.get_array()
    assert (np.argmax(level, axis=0) == 128).all()  # of windows of 1024


def constant_q_loop(x, sample_rate, freq, at):
    """Amplitude of one note at one time, from the definition."""
    length = min(sample_rate / freq / (2 ** (1 / 12) - 1), len(x))
    total = weights = 0.0
    for n in range(-int(length / 2), int(length / 2) + 1):
        w = 0.5 + 0.5 * np.cos(2 * np.pi * n / length)
        weights += w
        total += w * (x[at + n] if 0 <= at + n < len(x) else 0.0) * np.exp(-2j * np.pi * freq * n / sample_rate)
    return abs(2 * total / weights)


def test_a_constant_q_is_what_its_definition_says_at_every_note_and_time():
    x = np.random.default_rng(0).standard_normal(3000)
    levels = display.plot(x, 8000.0, "cqt").collections[0]
    power = 10 ** (np.asarray(levels.get_array()) / 10)
    notes = 440 * 2.0 ** ((np.arange(len(power)) - 1) / 36 - 45 / 12)
    assert notes[-1] < 4000 < notes[-1] * 2 ** (3 / 12)
    wanted = {(i, j): constant_q_loop(x, 8000.0, notes[i], 40 * j) for i in (0, 50, 130, len(power) - 1) for j in (0, 9, 74)}
    given = np.array([power[at] for at in wanted])
    wanted = np.square(list(wanted.values()))
    np.testing.assert_allclose(given / given[0], wanted / wanted[0], rtol=1e-9)


@pytest.mark.parametrize("note", [-33, 0, 38])
def test_a_constant_q_peaks_at_the_note_that_is_played(note):
    freq = 440 * 2 ** (note / 12)
    ax = display.plot(np.sin(2 * np.pi * freq * np.arange(16000) / 16000), 16000.0, "cqt")
    level = np.asarray(ax.collections[0].get_array())
    notes = 440 * 2.0 ** ((np.arange(len(level)) - 1) / 36 - 45 / 12)
    assert notes[level[:, level.shape[1] // 2].argmax()] == pytest.approx(freq, rel=1e-9)
    assert ax.get_yticklabels()[1].get_text() in ("C2, 65 Hz", "C3, 131 Hz")


@pytest.mark.parametrize("sample_rate", [8000.0, 44100.0])
def test_a_mel_spectrogram_is_that_of_the_features_in_decibels(sample_rate):
    x = np.random.default_rng(0).standard_normal(20000)
    ax = display.plot(x, sample_rate, "mel")
    level = np.asarray(ax.collections[0].get_array())
    power = features.mel_spectrogram(x, sample_rate, n_fft=2048, hop=256)[4:].T[:, : level.shape[1]]
    np.testing.assert_allclose(level, np.maximum(10 * np.log10(power / power.max() + 1e-30), -90), atol=1e-3)
    assert ax.get_ylabel() == "mel scale (Hz)"


def test_a_rate_without_notes_is_an_error():
    with pytest.raises(ArgumentError, match="half of a sample rate of 60 Hz is below every note"):
        display.plot(np.zeros(8), 60.0, "cqt")


def test_new_pictures_have_a_page_of_their_own_where_the_page_behind_is_seen():
    with matplotlib.rc_context({"figure.facecolor": (1, 1, 1, 0)}):
        assert display.plot([0.0], 8000.0).figure.get_facecolor() == (1, 1, 1, 1)


@pytest.mark.parametrize("kind", display.PLOTS)
@pytest.mark.parametrize("frames", [1, 2, 63, 65])
def test_short_and_silent_runs_are_drawn(kind, frames):
    display.plot(np.zeros(frames), 8000.0, kind)


def test_what_cannot_be_drawn_is_an_error():
    with pytest.raises(ArgumentError, match=r"kind='wave' is not one of waveform, spectrum, spectrogram"):
        display.plot([0.0], 8000.0, "wave")
    with pytest.raises(ShapeError, match=r"\(0,\) has no frames"):
        display.plot([], 8000.0)
    for kind in ("spectrogram", "mel", "cqt"):
        with pytest.raises(ShapeError, match=f"a {kind} takes one lane"):
            display.plot(np.zeros((8, 2)), 8000.0, kind)


def test_a_player_holds_the_samples_as_16_bit_wav():
    data = display.player(np.array([0.0, 0.5, -1.0]), 8000.0).data
    np.testing.assert_array_equal(np.frombuffer(data[-6:], "<i2"), [0, 16383, -32767])


def test_a_player_scales_down_what_is_too_loud():
    data = display.player(np.array([0.0, 2.0, -1.0]), 8000.0).data
    np.testing.assert_array_equal(np.frombuffer(data[-6:], "<i2"), [0, 32767, -16383])


def test_a_player_says_how_much_it_was_turned_down_and_nothing_where_it_was_not():
    quiet, loud = display.player([0.5, -1.0], 8000.0), display.player([0.5, -4.0], 8000.0)
    assert (quiet.turned_down_db, "turned" in quiet._repr_html_(), repr(quiet)) == (0, False, "<Player>")
    assert loud.turned_down_db == pytest.approx(20 * np.log10(4))
    assert "turned down by 12.0 dB, as its peak is above 1" in loud._repr_html_()
    assert repr(loud) == "<Player, turned down by 12.0 dB>"


def test_what_has_no_length_is_played_for_a_second_and_what_has_one_for_that():
    def frames(player):
        return (len(player.data) - 44) // 2

    with DGen.override(sample_rate=8000.0):
        assert frames(Signal.constant(0.1).play()) == 8000
        assert frames(Signal.constant(0.1).play(frames=70)) == 70
        assert frames(Signal.from_samples(np.zeros(90)).play()) == 90
        assert frames(Signal.input(0).play(inputs={0: np.zeros(50)})) == 50
        with DGen.override(default_frame_count=9000):
            assert frames(Signal.constant(0.1).play()) == 9000


def test_a_player_takes_finite_mono_or_stereo():
    assert display.player(np.zeros((5, 2)), 8000.0).data[22] == 2  # channels, in the header of a WAV file
    with pytest.raises(ShapeError, match=r"got \(5, 3\)"):
        display.player(np.zeros((5, 3)), 8000.0)
    with pytest.raises(ArgumentError, match="infinite or not numbers"):
        display.player([np.nan], 8000.0)


@pytest.mark.parametrize(("call", "package"), [(display.plot, "matplotlib"), (display.player, "IPython")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, call, package):
    for module in ("matplotlib.pyplot", "IPython.display"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendError, match=rf'{package} is not installed .*; pip install "dgenlazy\[notebook\]"'):
        call([0.0, 1.0], 8000.0)


def test_html_escapes_and_folds_the_program():
    text = Signal.phasor(440.0).biquad(1000, mode="highpass")._repr_html_()
    assert "<details>" in text
    assert "mode=&#x27;highpass&#x27;" in text


def test_html_of_a_large_graph_stays_small():
    x = Tensor([1.0])
    for _ in range(1000):
        x = x.sin()
    assert len(x._repr_html_().splitlines()) < 110
    assert "902 more lines" in x._repr_html_()


# compare


def wav(one):
    """The samples that a player holds."""
    return np.frombuffer(one.data[44:], "<i2") / 32767


def test_a_comparison_draws_target_result_and_residual_on_common_scales():
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    shown = display.compare(x, 0.25 * x, 8000.0)
    waves, meshes = shown.figure.axes[0:6:2], [ax.collections[0] for ax in shown.figure.axes[1:6:2]]
    for ax, wanted in zip(waves, (x, 0.25 * x, 0.75 * x)):
        np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), wanted, atol=1e-12)
    assert len({ax.get_ylim() for ax in waves}) == len({mesh.get_clim() for mesh in meshes}) == 1
    levels = [np.asarray(mesh.get_array()) for mesh in meshes]
    loud = levels[0] > -50
    np.testing.assert_allclose((levels[1] - levels[0])[loud], 20 * np.log10(0.25), atol=1e-9)
    np.testing.assert_allclose((levels[2] - levels[0])[loud], 20 * np.log10(0.75), atol=1e-9)
    assert (shown.level_db, shown.residual_db) == pytest.approx((-12.041, -2.499), abs=1e-3)
    assert str(shown) == "result -12.0 dB, residual -2.5 dB, relative to the target"


@pytest.mark.parametrize("gain", [0.25, -3.0])
def test_its_players_are_as_loud_as_the_target_and_say_what_that_took(gain):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2))
    shown = display.compare(x, gain * x, 8000.0)
    target, result, residual = (wav(shown.players[name]) for name in ("target", "result", "residual"))
    down = 10 ** (-shown.turned_down_db / 20)
    np.testing.assert_allclose(target, down * x.ravel(), atol=1e-4)
    np.testing.assert_allclose(result, np.sign(gain) * target, atol=1e-4)
    np.testing.assert_allclose(residual, down * (1 - gain) * x.ravel(), atol=1e-4)
    assert (shown.turned_down_db > 0) == (gain == -3.0)
    text = shown._repr_html_()
    assert text.count("<audio") == text.count("o.pause()") == 3
    assert f"turned {'up by 12.0' if gain == 0.25 else 'down by 9.5'} dB to match" in text
    assert ("all turned down by 6.0 dB" in text) == (gain == -3.0)


def test_values_are_run_together_with_their_inputs_and_what_is_silent_is_said_to_be():
    tone = Signal.constant(0.1)
    assert display.compare(tone, tone * 1.0, 8000.0, frames=500).residual_db == -np.inf
    x = Signal.input(0)
    assert "-6.0 dB, residual -6.0" in str(display.compare(x, x * 0.5, inputs={0: np.ones(300)}))
    assert str(display.compare(np.zeros(9), np.ones(10))) == "the target is silent"
    assert "<img" in display.compare(np.zeros(1), np.zeros(1))._repr_html_()
    assert sys.modules["matplotlib.pyplot"].get_fignums() == []  # so that a notebook shows it once


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], []), r"the target has shape \(0,\)"),
        ((np.zeros((4, 3)), np.zeros(4)), r"takes \(frames,\) or \(frames, 2\)"),
        ((np.zeros((4, 2)), np.zeros(4)), "the target has 2 lanes, the result 1"),
        (([np.nan], [0.0]), "infinite or not numbers"),
        ((np.zeros(4), np.zeros(4), 8000.0, 4), "frames and inputs are of values"),
        ((np.zeros(4), Signal(Tensor([1.0, 2.0]).value, batched=True), 8000.0, 4), "the result is a batch of 2"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments, says):
    with pytest.raises((ArgumentError, ShapeError), match=says):
        display.compare(*arguments)


# filter_response


def graphs():
    x = Signal.input()
    return {
        "gain": (x * -2.0, [-2.0], [1.0]),
        "feedforward": (x.fir([0.5, 0.3, 0.2]), [0.5, 0.3, 0.2], [1.0]),
        "biquad": (x.lfilter([0.2, 0.1, 0.3], [1.0, -1.2, 0.72]), [0.2, 0.1, 0.3], [1.0, -1.2, 0.72]),
        "loop": (dg.feedback(lambda last: x - 0.8 * last), [1.0], [1.0, 0.8]),
        "sum": (x.onepole(0.5) + x, [1.5, -0.5], [1.0, -0.5]),
    }


@pytest.mark.parametrize("name", sorted(graphs()))
def test_the_response_of_a_graph_is_that_of_its_polynomials(name):
    graph, b, a = graphs()[name]
    with DGen.override(sample_rate=8000.0):
        found = display.filter_response(graph)
    w, response = scipy.signal.freqz(b, a, found.frequency, fs=8000.0)
    np.testing.assert_allclose(found.response, response, atol=2e-6 * np.abs(response).max())
    delay = scipy.signal.group_delay((b, a), w, fs=8000.0)[1]
    np.testing.assert_allclose(found.delay * 8000, delay, atol=1e-3)
    roots = (np.sort_complex(np.roots(p)) for p in (a, b))
    given = (np.sort_complex(p[np.abs(p) > 1e-9]) for p in (found.poles, found.zeros))
    for got, wanted in zip(given, roots):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert len(found.axes) == 4


def test_a_response_without_few_states_is_that_of_its_impulse():
    x = Signal.input()
    with DGen.override(sample_rate=8000.0):
        found = display.filter_response(x.delay(300.0) * 0.5 + x)
        lanes = display.filter_response(x * [1.0, -3.0])
    z = np.exp(2j * np.pi * found.frequency / 8000)
    np.testing.assert_allclose(found.response, 1 + 0.5 * z**-300, atol=1e-5)
    assert (found.poles, found.zeros, len(found.axes)) == (None, None, 3)
    np.testing.assert_allclose(lanes.response, np.broadcast_to([1.0, -3.0], (len(found.frequency), 2)), atol=1e-6)
    np.testing.assert_allclose(lanes.delay, 0, atol=1e-9)


def test_a_response_is_drawn_into_the_axes_that_are_given():
    axes = matplotlib.figure.Figure().subplots(3, 1)
    found = display.filter_response(Signal.input().onepole(0.5), ax=axes)
    assert [ax is given for ax, given in zip(found.axes, axes)] == [True] * 3
    assert [ax.get_ylabel() for ax in axes] == ["magnitude (dB)", "phase (degrees)", "group delay (ms)"]
    assert axes[2].get_xlabel() == "frequency (Hz)"
    assert repr(found) == "<Response: at most 0.0 dB, at 0 Hz, 1 poles, 1 zeros>"
    with pytest.raises(ShapeError, match="takes three, or four"):
        display.filter_response(Signal.input(), ax=axes[:2])


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (lambda x: (2 * x).tanh(), "tanh is not linear"),
        (lambda x: x + 0.01, "add adds what does not come from the input"),
        (lambda x: x * Signal.constant(1e-4).accum(), "mul changes with time"),
        (lambda x: x + Signal.input(1), "there are 2 inputs, of channels 0, 1"),
        (lambda x: Signal.phasor(3.0), "there is no input"),
        (lambda x: x.downsample(4), "one every 4 frames"),
        (lambda x: x * Signal.param([1.0, 2.0], batched=True), "this is a batch"),
        (lambda x: x * np.ones((2, 2)), r"this is from \(\) to \(2, 2\)"),
    ],
)
def test_a_graph_that_is_no_filter_is_an_error_that_names_why(graph, says):
    with pytest.raises((ArgumentError, ShapeError), match=f"filter_response: .*{says}"):
        display.filter_response(graph(Signal.input()))


# parameters


def test_a_table_of_parameters_shows_values_bounds_and_the_gradients_that_there_are():
    gain, w = Signal.param(2.0, min=0.0, max=4.0), Tensor([[1.0, -3.0]], requires_grad=True)
    loss = (w * w).sum() + gain * 5.0 + Tensor([1.0]).sum()
    table = display.parameters(loss)
    assert [row.grad for row in table] == [None, None]
    loss.backward(4)
    row, other = sorted(display.parameters(loss), key=lambda row: row.value.size)
    assert (row.shape, row.value, row.low, row.high, row.grad) == ((), 2.0, 0.0, 4.0, 5.0)
    assert (other.shape, other.low, other.high) == ((1, 2), -np.inf, np.inf)
    np.testing.assert_array_equal(other.grad, [[2.0, -6.0]])
    text = str(display.parameters({"gain": gain}, loss))
    assert text.splitlines()[0].split() == ["name", "shape", "value", "min", "max", "gradient"]
    assert text.splitlines()[1].split() == ["gain", "()", "2", "0", "4", "5"]
    assert len(text.splitlines()) == 3
    assert "-3 ... -1 ... 1" in text
    assert "-6 ... -2 ... 2" in text


def test_a_table_of_parameters_says_what_is_to_be_seen_to_and_escapes_names():
    low, root = Signal.param(0.0, min=0.0), Tensor([0.0], requires_grad=True)
    (root * np.inf).sum().backward()
    table = display.parameters({"<low>": low, "root": root})
    assert [row.at for row in table] == ["at min", "gradient not finite"]
    assert "at min" in str(table)
    page = table._repr_html_()
    assert "&lt;low&gt;" in page
    assert page.count("<tr>") == 3


def test_what_is_not_learned_has_no_table():
    with pytest.raises(ArgumentError, match="no value below has requires_grad=True"):
        display.parameters(Tensor([1.0]) * 2)
    with pytest.raises(ArgumentError, match="'a' is computed"):
        display.parameters({"a": Tensor([1.0], requires_grad=True) * 2})
    with pytest.raises(ArgumentError, match=r"3.0 is not a Tensor"):
        display.parameters(3.0)


# graph


def titles(*values, **options):
    return [box.title for box in display.graph(*values, **options).boxes]


def test_a_drawing_has_a_box_for_what_was_called_and_lines_between():
    cutoff, x = Signal.param(500.0), Signal.input(0)
    drawing = display.graph((x * 2.0).biquad(cutoff * 3.0, q=2.0).reverb(0.5).waveshape(lambda u: u.tanh(), oversample=2))
    assert [box.title for box in drawing.boxes] == ["input 0", "mul 2", "parameter", "mul 3", "biquad", "reverb", "waveshape"]
    assert [box.inputs for box in drawing.boxes] == [(), (0,), (), (2,), (3, 1), (4,), (5,)]
    assert [box.kind for box in drawing.boxes] == ["input", "rest", "learned", "rest", "memory", "memory", "memory"]
    assert "biquad_coefficients" in drawing.boxes[4].inside
    assert [box.note for box in drawing.boxes][:3] == ["per frame", "per frame", "once"]
    assert repr(drawing) == "<Drawing of 7 boxes>"


def test_a_drawing_shows_every_op_where_it_is_asked_to():
    x = Signal.input(0).biquad(500.0)
    assert titles(x) == ["input 0", "biquad"]
    assert titles(x, expand=True) == ["input 0", "biquad_coefficients 500 0.7071 0", "biquad"]
    assert len(titles(x.chorus(), expand=True)) > len(titles(x.chorus())) == 3


def test_what_two_values_share_is_drawn_once():
    x = Signal.input(0).tanh()
    drawing = display.graph(x * 2.0, x * 3.0)
    assert [(box.title, box.inputs) for box in drawing.boxes] == [
        ("input 0", ()),
        ("tanh", (0,)),
        ("mul 2", (1,)),
        ("mul 3", (1,)),
    ]


def boxes_of(svg):
    found = re.findall(r'<rect x="([-.\d]+)" y="([-.\d]+)" width="([.\d]+)" height="38"', svg)
    return np.array(found, float)


def test_boxes_do_not_overlap_and_lie_inside_of_the_picture_and_below_what_they_hang_on():
    random = np.random.default_rng(0)
    values = [Signal.input(i) for i in range(4)]
    for i in range(46):
        a, b = random.choice(len(values), 2, replace=False)
        values.append(values[a] + values[b] if i % 2 else values[-1] * values[a])
    drawing = display.graph(dg.stack(values).sum())
    svg = str(drawing)
    at, n = boxes_of(svg), len(drawing.boxes)
    assert n == len(at) == 52
    tree = ElementTree.fromstring(svg)
    width, height = float(tree.get("width")), float(tree.get("height"))
    assert (at[:, 0] >= 0).all()
    assert (at[:, 0] + at[:, 2] <= width + 1).all()
    assert (at[:, 1] + 38 <= height).all()
    for i in range(n):
        same = (at[:, 1] == at[i, 1]) & (np.arange(n) != i)
        assert ((at[same, 0] >= at[i, 0] + at[i, 2]) | (at[same, 0] + at[same, 2] <= at[i, 0])).all()
        assert all(at[j, 1] < at[i, 1] for j in drawing.boxes[i].inputs)


def test_of_a_large_graph_the_end_is_drawn():
    x = Signal.input(0)
    for _ in range(500):
        x = (x * 0.5).tanh()
    drawing = display.graph(x)
    assert (len(drawing.boxes), drawing.left_out) == (60, 941)
    assert drawing.boxes[0].title == "942 more"
    assert [box.inputs for box in drawing.boxes[1:]] == [(i,) for i in range(59)]
    assert repr(drawing) == "<Drawing of the last 60 boxes>"
    assert len(str(drawing)) < 50_000


def test_a_notebook_that_is_not_trusted_shows_a_drawing_and_what_its_boxes_are_made_of():
    drawing = display.graph(Signal.input().compressor(-20.0, 4.0).tanh())
    text = drawing._repr_html_()
    kept = ElementTree.fromstring(re.sub(r"(<(?:img|area)[^>]*)>", r"\1/>", text))
    assert "".join(kept.itertext()) == ""  # words of an SVG would stay where its shapes are taken out
    image, places = kept.find("img"), kept.find("map")
    assert image.get("usemap") == f"#{places.get('name')}"
    picture = base64.b64decode(image.get("src").removeprefix("data:image/svg+xml;base64,")).decode()
    white = '<rect width="100%" height="100%" fill="white"/>'
    assert picture.replace(white, "") == str(drawing)
    assert white in picture
    for area, box, (x, y, width) in zip(places, drawing.boxes, boxes_of(picture), strict=True):
        left, top, right, bottom = map(int, area.get("coords").split(","))
        np.testing.assert_allclose([left, top, right - left, bottom - top], [x, y, width, 38], atol=1)
        assert area.get("title") == (", ".join(box.inside) or box.title)


def test_a_drawing_is_xml_in_the_colours_of_its_page():
    @dg.graph.pointwise
    def odd(x):
        return x

    odd.__name__ = "<&>"
    svg = str(display.graph(odd(Tensor([1.0, 2.0]))))
    ElementTree.fromstring(svg)
    assert "&lt;&amp;&gt;" in svg
    assert 'fill="currentColor"' in svg
    with pytest.raises(ArgumentError, match=r"graph: 3.0 is not a Tensor"):
        display.graph(3.0)
