"""`RNN`: a recurrent network of section 10.2, its losses and its gradients.

What it is stands in ``description.py``, its use without a loss in ``forward.py``, and as a part of
a larger function in ``hidden.py``. Here, as there, arguments are checked, once, and handed to the
passes; nothing is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _checkpoint, _inputs, _passes, _threads, _whole_pass
from cybptt import _validate as check
from cybptt.forward import Seed
from cybptt.hidden import Hidden
from cybptt.parameters import Parameters
from cybptt.trace import Gradients, State, Trace
from cybptt.workspace import Workspace

if TYPE_CHECKING:
    from cybptt._explain import Explanation

Array = NDArray[Any]
Reduction = Literal["sum", "mean"] | float


class Options(TypedDict, total=False):
    """The keyword arguments of `RNN.value_and_grad`, but return_state and state_at."""

    h0: ArrayLike | None
    y0: ArrayLike | None
    state: State | None
    lengths: ArrayLike | None
    weights: ArrayLike | None
    reduction: Reduction
    teacher_forcing: ArrayLike | None
    seed: Seed
    checkpoint: int | Literal["auto"] | None
    n_threads: int | None
    out: Parameters | None
    workspace: Workspace | None


class RNN(Hidden):
    """A recurrent network: sizes, activation, loss and pattern of recurrence.

    An immutable description without numbers: these live in `Parameters`, so that one RNN serves
    many parameter vectors, threads and processes. It is hashable, comparable and picklable.

    Parameters
    ----------
    n_inputs, n_hidden : int
        I and H, ≥ 0.
    n_outputs : int or None
        O, ≥ 0. None: no output layer, o is h, and V and c are absent.
    activation : str or Activation
        f of :eq:`10.9`: a registered name or an object.
    loss : str or Loss
        L(t) of :eq:`10.13` and ŷ of :eq:`10.11`: a registered name or an object.
    recurrence : {"hidden", "output", "both"}
        What reaches the next step: h (figure 10.3), the output (figure 10.4), or both.
    outputs : {"all", "last"}
        An output at each step, or one at the end (figure 10.5; with ``recurrence="hidden"``).
    feedback : {"o", "y_hat"}
        What an output recurrence feeds back when it runs free.
    inputs : {"values", "tokens"}
        x is (T, B, I) numbers, or (T, B) integers in 0 … I − 1, as if one-hot.

    Attributes
    ----------
    n_inputs, n_hidden, n_outputs, activation, loss, recurrence, outputs, feedback, inputs
        The arguments; ``activation`` and ``loss`` as the objects that their names stood for.
    shapes : dict
        The shape of each parameter, in the order of the flat vector.
    n_parameters : int
        The length of the flat vector.

    Raises
    ------
    ValueError, TypeError
        For sizes below 0, unknown names, and patterns that do not go together.

    Notes
    -----
    At each step, with ``recurrence="hidden"``::

        a(t) = b + W h(t−1) + U x(t)   10.8
        h(t) = f(a(t))                 10.9
        o(t) = c + V h(t)             10.10
        ŷ(t) = softmax(o(t))          10.11

    Another loss has another link in the place of the softmax. With output recurrence a(t) = b +
    W u(t) + U x(t), u(t) what is fed back; with both, + R u(t) stands beside W h(t−1):
    :eq:`C.4` and :eq:`C.5`.

    :eq:`10.8` and its like are numbers of Goodfellow, Bengio and Courville, *Deep Learning*, MIT
    Press 2016, section 10.2; C.1 to C.9 are this library's, for what the section leaves to its
    reader. Each is a NumPy statement in `cybptt.reference`.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(n_inputs=2, n_hidden=3, n_outputs=2)
    >>> rnn
    RNN(2, 3, 2)
    >>> params = rnn.init(seed=0)
    >>> x, y = np.ones((5, 2)), np.array([0, 1, 0, 1, 0])    # one sequence of five steps
    >>> loss, grad = rnn.value_and_grad(params, x, y)
    >>> grad.W.shape
    (3, 3)
    """

    __slots__ = ()

    # -------------------------------------------------------------- the loss

    def step_losses(self, trace: Trace, y: ArrayLike) -> Array:
        """Compute L(t) of each sequence: the terms of :eq:`10.13` and :eq:`10.14`.

        Parameters
        ----------
        trace : Trace
            Of this model.
        y : array_like, shape (T, B) of labels or (T, B, O) of values
            The targets; (B,) or (B, O) with ``outputs="last"``.

        Returns
        -------
        ndarray, shape (T, B), or (B,) with ``outputs="last"``
            0 past a sequence's length.

        Raises
        ------
        ValueError, TypeError
            For targets of another shape or dtype, or labels out of range.
        PluginError
            Where the loss raises or returns what it should not.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 2)
        >>> params = rnn.parameters(np.zeros(rnn.n_parameters))
        >>> rnn.step_losses(rnn.forward(params, np.ones((2, 1))), [0, 1])    # log 2, twice
        array([0.69314718, 0.69314718])
        """
        run, objective = self._objective(trace, y, None, "sum")
        values = objective.values(run.o)
        return run.layout.unsort(values) if self.outputs == "last" else run.layout.unpack(values)

    def total_loss(
        self,
        trace: Trace,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        reduction: Reduction = "sum",
    ) -> float:
        """Compute L, the sum of L(t) over steps and sequences: :eq:`10.12` to :eq:`10.14`.

        Parameters
        ----------
        trace : Trace
            Of this model.
        y : array_like
            As in `step_losses`.
        weights : array_like, shape (T, B), or (B,) with ``outputs="last"``, optional
            ∂L/∂L(t) of :eq:`10.17`: finite, ≥ 0. A y under weight 0 is not looked at.
        reduction : {"sum", "mean"} or float
            "mean" divides by the sum of the weights of the steps that count, a number > 0 by
            itself.

        Returns
        -------
        float
            In nats, for the losses that are log-likelihoods.

        Raises
        ------
        ValueError, TypeError, PluginError
            As `step_losses`; and for "mean" where nothing counts.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 2)
        >>> params = rnn.parameters(np.zeros(rnn.n_parameters))
        >>> round(rnn.total_loss(rnn.forward(params, np.ones((2, 1))), [0, 1]), 4)
        1.3863
        """
        run, objective = self._objective(trace, y, weights, reduction)
        return objective.total(run.o)

    # -------------------------------------------------------------- gradients

    def backward(
        self,
        trace: Trace,
        y: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        reduction: Reduction = "sum",
    ) -> Gradients:
        """Compute the gradient of every node and parameter: :eq:`10.17` to :eq:`10.28`.

        And what the section leaves to its reader: :eq:`C.1` to :eq:`C.3`; :eq:`C.6` to :eq:`C.8`
        with an output recurrence; :eq:`C.9` with one output at the end.

        Parameters
        ----------
        trace : Trace
            Of this model.
        y, weights, reduction
            As in `total_loss`.

        Returns
        -------
        Gradients

        Raises
        ------
        ValueError, TypeError, PluginError
            As `total_loss`.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 2)
        >>> params = rnn.parameters(np.zeros(rnn.n_parameters))
        >>> g = rnn.backward(rnn.forward(params, np.ones((2, 1))), [0, 1])
        >>> g.o                         # 10.18: ŷ − onehot(y)
        array([[-0.5,  0.5],
               [ 0.5, -0.5]])
        >>> g.parameters.c              # 10.22: their sum over t
        array([0., 0.])
        """
        run, objective = self._objective(trace, y, weights, reduction)
        return self._gradients(run, objective.gradient(run.o), None)

    def vjp(
        self, trace: Trace, *, grad_o: ArrayLike | None = None, grad_h: ArrayLike | None = None
    ) -> Gradients:
        """Compute all gradients from cotangents of o and h: :eq:`10.19` to :eq:`10.28`.

        What `backward` does with the gradient of a loss, :eq:`C.1` to :eq:`C.3` and :eq:`C.6` to
        :eq:`C.9` with it, for any function of o and h: how other tools plug in.

        Parameters
        ----------
        trace : Trace
            Of this model.
        grad_o : array_like, the shape of ``trace.o``, optional
            What the function's gradient with respect to o is, from outside the network; zeros when
            not given. Past a sequence's length it is ignored.
        grad_h : array_like, the shape of ``trace.h``, optional
            The same for h. Past a sequence's length it goes to the h that is repeated there.

        Returns
        -------
        Gradients

        Raises
        ------
        ValueError, TypeError
            For cotangents of another shape or dtype.
        PluginError
            Where a plugin's derivative raises or returns what it should not.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, None)
        >>> trace = rnn.forward(rnn.init(0), np.ones((3, 1)))
        >>> g = rnn.vjp(trace, grad_h=np.ones((3, 2)))      # of the sum of all h
        >>> g.parameters.W.shape
        (2, 2)
        """
        run = self._run(trace)
        layout, dtype = run.layout, run.params.dtype
        batch = () if layout.single else (layout.B,)
        letters = "" if layout.single else "B, "
        if grad_o is None:
            rows = np.zeros_like(run.o)
        else:
            last = self.outputs == "last"
            shape = (() if last else (layout.T,)) + (*batch, self.size_o)
            given = check.shaped(
                "grad_o", grad_o, dtype, shape, f"({'' if last else 'T, '}{letters}O)"
            )
            rows = _inputs.to_rows(layout, given, last, (self.size_o,)).copy()
        folded = None
        if grad_h is not None:
            shape = (layout.T, *batch, self.n_hidden)
            given = check.shaped("grad_h", grad_h, dtype, shape, f"(T, {letters}H)")
            folded = layout.fold(given.reshape(layout.T, layout.B, self.n_hidden))
        return self._gradients(run, rows, folded)

    def _gradients(self, run: _passes.Pass, grad_o: Array, grad_h: Array | None) -> Gradients:
        layout = run.layout
        nodes = _passes.backward(run, grad_o, grad_h)
        parameters = Parameters(self, np.zeros_like(run.params.vector))
        _passes.add_parameter_gradients(run, nodes, parameters)
        grad_x = _passes.pull_back_x(run, nodes)
        grad_y0 = _passes.pull_back_y0(run, nodes)
        outwards = layout.unsort if self.outputs == "last" else layout.unpack
        return Gradients(
            parameters=parameters,
            o=outwards(nodes.o),
            h=layout.unpack(nodes.h[layout.B :]),
            a=layout.unpack(nodes.a),
            x=None if grad_x is None else layout.unpack(grad_x),
            h0=layout.unsort(nodes.h[: layout.B]),
            y0=None if grad_y0 is None else layout.unsort(grad_y0),
        )

    # -------------------------------------------------------------- the fast path

    @overload
    def value_and_grad(
        self,
        params: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        return_state: Literal[False] = False,
        **options: Unpack[Options],
    ) -> tuple[float, Parameters]: ...

    @overload
    def value_and_grad(
        self,
        params: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        return_state: Literal[True],
        state_at: int | None = None,
        **options: Unpack[Options],
    ) -> tuple[float, Parameters, State]: ...

    def value_and_grad(
        self,
        params: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        y0: ArrayLike | None = None,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        reduction: Reduction = "sum",
        teacher_forcing: ArrayLike | None = None,
        seed: Seed = None,
        return_state: bool = False,
        state_at: int | None = None,
        checkpoint: int | Literal["auto"] | None = None,
        n_threads: int | None = None,
        out: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[float, Parameters] | tuple[float, Parameters, State]:
        """Compute L, :eq:`10.12` to :eq:`10.14`, and its gradient, :eq:`10.17` to :eq:`10.28`.

        `forward`, `total_loss` and `backward` in one, without the nodes: the gradient is every
        parameter's, and this is what a training loop calls.

        Parameters
        ----------
        params, x
            As in `forward`.
        y : array_like
            As in `total_loss`; it is also what teacher forcing feeds.
        h0, y0, state, lengths
            As in `forward`.
        weights, reduction
            As in `total_loss`.
        teacher_forcing : bool, float in 0 … 1, or array_like of bool, shape (T, B), optional
            As in `forward`; None means True, with output recurrence.
        seed : int, numpy.random.Generator or None
            As in `forward`.
        return_state : bool
            Also return where the sequences stand at their ends.
        state_at : int, optional
            0 … T: return where they stand after so many steps instead. A chunk that overlaps this
            one goes on from there, as in :class:`cybptt.data.Chunks`.
        checkpoint : int, "auto" or None
            Keep the states of every so many steps at least and compute the others again on the way
            back: less memory, more time, the same bits. "auto" keeps of the order of √T.
        n_threads : int or None
            At most so many threads; the result has the same bits for any number. None is what the
            process may run on, at most CYBPTT_NUM_THREADS and OMP_NUM_THREADS, as they are when
            first needed; one in a worker of multiprocessing's. Small work stays on one, and so do
            a plugin in Python or of ufuncs, and outputs that run free.
        out : Parameters, optional
            Written with the gradient, and returned as it: of this model and of params's dtype.
        workspace : Workspace, optional
            Memory to compute in, kept from call to call: a training loop's steps then ask the
            system for none. It serves one call at a time. A plugin in Python, and outputs that run
            free, do without it.

        Returns
        -------
        loss : float
        grad : Parameters
        state : State
            With ``return_state=True``.

        Raises
        ------
        ValueError, TypeError, PluginError
            As `forward` and `total_loss`; out is then as it was.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 2)
        >>> params = rnn.parameters(np.zeros(rnn.n_parameters))
        >>> loss, grad = rnn.value_and_grad(params, np.ones((2, 1)), [0, 0])
        >>> round(loss, 4), grad.c
        (1.3863, array([-1.,  1.]))
        """
        dtype = self._own(params).dtype
        threads = _threads.default() if n_threads is None else _threads.count(n_threads)
        if workspace is not None and not isinstance(workspace, Workspace):
            raise check.wrong_type("workspace", check.describe(workspace), "a Workspace, or None")
        self._check_out(out, params)
        plan = _whole_pass.plan(self, dtype)
        grad = Parameters(self, np.empty_like(params.vector)) if out is None else out
        options = (y0, lengths, weights, teacher_forcing, seed, checkpoint, state_at)
        if plan is not None and all(option is None for option in options):
            answer = _whole_pass.quick(
                plan, params, x, y, h0, state, return_state, reduction, threads, grad, workspace
            )
            if answer is not None:
                return answer
        check.seed("seed", seed)
        return_state = check.boolean("return_state", return_state)
        layout, rows = _inputs.sequences(self, dtype, x, lengths)
        if state_at is not None:
            state_at = check.integer("state_at", state_at, 0, layout.T)
            if not return_state:
                raise check.wrong_value("state_at", repr(state_at), "None without return_state")
        start = _inputs.start(self, layout, dtype, h0, y0, state)
        given = _inputs.targets(self, layout, dtype, y)
        factor = _inputs.factors(self, layout, weights, reduction)
        objective = _passes.Objective.of(self, given, factor)
        fed = _inputs.feeding(self, layout, start, given, teacher_forcing, seed, dtype)
        steps = None if checkpoint is None else _checkpoint.segment_steps(layout, checkpoint)
        done = None
        if plan is not None and (fed is None or fed.free is None):
            done = _whole_pass.value_and_grad(
                plan, params, layout, rows, start, fed, given, factor, steps, state_at, threads,
                grad, workspace,
            )  # fmt: skip
        if done is None:
            whole = _checkpoint.Whole(self, params, layout, rows, start, fed, given, objective)
            done = _checkpoint.value_and_grad(whole, steps, state_at, grad)
        loss, end = done
        if return_state:
            return loss, grad, _passes.state(end, layout)
        return loss, grad

    def objective(
        self, x: ArrayLike, y: ArrayLike, **options: Any
    ) -> Callable[[Array], tuple[float, Array]]:
        """Make a function of the flat vector, for optimizers of other libraries.

        Parameters
        ----------
        x, y : array_like
            As in `value_and_grad`.
        **options
            The keyword arguments of `value_and_grad`, but ``return_state``, ``state_at`` and
            ``out``.

        Returns
        -------
        callable
            ``fun(vector) -> (loss, gradient)``: float, and ndarray (n,); :eq:`10.13` and
            :eq:`10.22` to :eq:`10.28`. It may be handed to ``scipy.optimize.minimize`` with
            ``jac=True``.

        Raises
        ------
        TypeError
            For an option that there is not. The values are checked at each call of the function.
        ValueError
            For a probability of teacher forcing without a seed: the function would change.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 2)
        >>> fun = rnn.objective(np.ones((2, 1)), [0, 1], reduction="mean")
        >>> loss, gradient = fun(rnn.init(seed=0).vector)
        >>> gradient.shape
        (14,)
        """
        known = set(Options.__annotations__) - {"out"}
        if unknown := sorted(set(options) - known):
            raise check.wrong_type("options", unknown[0], f"some of {', '.join(sorted(known))}")
        p = options.get("teacher_forcing")
        p = p.item() if isinstance(p, np.ndarray) and p.ndim == 0 else p
        drawn = isinstance(p, int | float | np.number) and not isinstance(p, bool)
        if drawn and not isinstance(options.get("seed"), int | np.integer):
            got = check.describe(options.get("seed"))
            raise check.wrong_value("seed", got, "an int, that every call draw the same steps")

        def fun(vector: Array) -> tuple[float, Array]:
            values = check.array("vector", vector, "biuf", "real numbers of shape (n,)")
            loss, grad = self.value_and_grad(self.parameters(values), x, y, **options)
            return loss, grad.vector

        return fun

    # -------------------------------------------------------------- in words and numbers

    def explain(
        self,
        params: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        y0: ArrayLike | None = None,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        reduction: Reduction = "sum",
        teacher_forcing: ArrayLike | None = None,
        seed: Seed = None,
        decimals: int = 4,
        limit: int = 6,
    ) -> Explanation:
        """Walk through a forward and a backward pass: :eq:`10.8` to :eq:`10.28`, with the numbers.

        Each equation that the model's pattern needs, C.1 to C.9 among them, with what it does in
        plain words and with the numbers of this pass in it. Print what comes back, or show it in a
        notebook. It is for small models and few steps.

        Parameters
        ----------
        params, x, y, h0, y0, state, lengths, weights, reduction, teacher_forcing, seed
            As in `value_and_grad`.
        decimals : int
            1 … 12, to which numbers are rounded.
        limit : int
            The most inputs, hidden units and outputs, and the most steps, those of all sequences
            together, that are shown.

        Returns
        -------
        Explanation

        Raises
        ------
        ValueError, TypeError, PluginError
            As `value_and_grad`; for a model or an x above the limit; and where there is no step, no
            hidden unit or no output.
        RuntimeError
            Where a number of the pass is not what its equation gives: there is a mistake then.

        Examples
        --------
        >>> import cybptt
        >>> rnn = cybptt.RNN(1, 1, None, loss="squared_error")
        >>> params = rnn.parameters(U=[[1.0]], W=[[0.5]], b=[0.0])
        >>> walk = rnn.explain(params, [[1.0], [0.0]], [[1.0], [0.0]])
        >>> text = str(walk)
        >>> print(text[text.index("a(2) =") : text.index("h(2) =")].strip())
        a(2) = b + W h(1) + U x(2)                                            (10.8)
             = [ 0 ] + [ 0.5 ] [ 0.7616 ] + [ 1 ] [ 0 ] = [ 0.3808 ]
        """
        from cybptt import _explain  # which few programs need

        check.integer("decimals", decimals, 1, 12)
        _explain.check_sizes(self, x, limit)
        if y is None:
            raise check.wrong_type("y", "None", "the targets")
        fed = None if self.recurrence == "hidden" else y
        trace = self.forward(
            params, x, h0=h0, y=fed, y0=y0, state=state, lengths=lengths,
            teacher_forcing=teacher_forcing, seed=seed,
        )  # fmt: skip
        return _explain.explain(trace, y, weights, reduction, decimals)

    # -------------------------------------------------------------- whose is it

    def _check_out(self, out: Any, params: Parameters) -> None:
        if out is None:
            return
        if not isinstance(out, Parameters):
            got = check.describe(out)
        elif (out.rnn is not self and out.rnn != self) or out.dtype != params.dtype:
            got = f"parameters of {out.rnn!r} and {out.dtype}"
        elif np.may_share_memory(out.vector, params.vector):
            got = "params itself"
        elif not out.vector.flags.writeable:
            got = "a read-only vector"
        else:
            return
        wrong = check.wrong_value if isinstance(out, Parameters) else check.wrong_type
        need = f"Parameters of {self!r} and {params.dtype}, with memory of their own"
        raise wrong("out", got, need)

    def _run(self, trace: Any) -> _passes.Pass:
        if not isinstance(trace, Trace):
            raise check.wrong_type(
                "trace", check.describe(trace), "a Trace, as rnn.forward() returns"
            )
        if trace.rnn is not self and trace.rnn != self:
            raise check.wrong_value("trace", f"a trace of {trace.rnn!r}", f"a trace of {self!r}")
        return trace._run

    def _objective(
        self, trace: Trace, y: Any, weights: Any, reduction: Any
    ) -> tuple[_passes.Pass, _passes.Objective]:
        run = self._run(trace)
        given = _inputs.targets(self, run.layout, run.params.dtype, y)
        factor = _inputs.factors(self, run.layout, weights, reduction)
        return run, _passes.Objective.of(self, given, factor)


__all__ = ["RNN"]
