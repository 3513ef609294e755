using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>Backward recording: the forward ops are walked in reverse, and each appends the steps of its own gradient.</summary>
public sealed partial class PlanBuilder
{
    private readonly Dictionary<Tensor, Tensor> _gradients = [];
    private readonly HashSet<Tensor> _callerOwned = [], _shared = [], _leaves = [];

    /// <summary>
    /// Says how the gradient of an op is recorded. <paramref name="record"/> gets the gradient of <paramref name="output"/>; it appends steps for
    /// those <paramref name="inputs"/> that <see cref="NeedsGradient"/>, and is not called when none does or when no gradient arrives.
    /// </summary>
    public void OnBackward(ReadOnlySpan<Tensor?> inputs, Tensor output, Action<Tensor> record) =>
        _backward.Add(new BackwardEntry(Present(inputs), output, record));

    /// <summary>
    /// Says that an op has no gradient towards <paramref name="inputs"/>: where one would have to flow, <see cref="Backward"/> fails instead of giving
    /// the part of it that took other ways.
    /// </summary>
    private void RefuseGradient(string op, ReadOnlySpan<Tensor?> inputs, Tensor output)
    {
        string names = string.Join(", ", Present(inputs).Select(t => t.ToString()));
        OnBackward(inputs, output, _ => throw new InvalidOperationException(
            $"{op} has no gradient from {output} towards {names}. Take the gradient from before it, or towards a tensor that does not pass through it."));
    }

    /// <summary>
    /// Records the gradients of sum(<paramref name="output"/> * <paramref name="cotangent"/>) towards the leaves: all parameters if
    /// <paramref name="parameters"/> is true (into <see cref="Parameters.Gradients"/>), and every tensor of <paramref name="inputs"/>.
    /// </summary>
    /// <param name="output">Where the gradient starts.</param>
    /// <param name="cotangent">A tensor of its shape; for a scalar loss a tensor that holds 1 (or a loss scale).</param>
    /// <param name="parameters">Whether parameter gradients are wanted.</param>
    /// <param name="inputs">Tensors whose gradient is wanted; read it with <see cref="GradientOf"/>.</param>
    /// <exception cref="ArgumentException">
    /// Shapes differ, the output does not depend on one of the inputs, or an input is gathered rows (<see cref="GatherRows"/>) in whose place ops used
    /// their source.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// Gradients were recorded already, parameter gradients are asked of a builder without parameters, or a gradient would have to pass an op that
    /// has none, a call of one's own without <see cref="OnBackward"/> among them, or a tensor that was changed in place.
    /// </exception>
    public void Backward(Tensor output, Tensor cotangent, bool parameters, params ReadOnlySpan<Tensor> inputs)
    {
        if (_gradients.Count > 0) throw new InvalidOperationException($"The gradients of this plan were recorded already; {output} needs a plan of its own.");
        if (parameters && Parameters is null) throw new InvalidOperationException($"Parameter gradients of {output} were asked of a builder without parameters.");
        if (output.Shape != cotangent.Shape) throw new ArgumentException($"The cotangent {cotangent} does not have the shape of {output}.");
        foreach (var input in inputs)
        {
            if (input.IsBypassed)
                throw new ArgumentException($"Ops on {input} were recorded on the rows that it was gathered from; ask for the gradient towards {input.GatheredFrom}.");
            input.NeedsGradient = true;
        }
        if (parameters)
            foreach (var (parameter, tensor) in _parameterTensors)
                tensor.NeedsGradient = tensor.Owner == Parameters && parameter.Initializer.Distribution != InitialDistribution.Table;
        foreach (var entry in _backward)
            if (entry.Inputs.Any(i => i.NeedsGradient))
                entry.Output.NeedsGradient = true;

        foreach (var input in inputs) _leaves.Add(input);
        var ways = new GradientWays(_steps, [.. inputs, .. _parameterTensors.Values.Where(t => t.NeedsGradient)]);
        _gradients[output] = cotangent;
        _callerOwned.Add(cotangent.Root);
        foreach (var entry in Enumerable.Reverse(_backward))
        {
            if (!_gradients.TryGetValue(entry.Output, out var gradient)) continue;
            ways.Require(entry.Inputs, entry.Output);
            if (entry.Output.NeedsGradient && entry.Inputs.Any(i => i.NeedsGradient))
            {
                // Whoever recorded steps for this output's gradient has done so; the buffer may be handed on, unless it was asked for.
                if (_leaves.Contains(entry.Output)) _shared.Add(gradient.Root);
                else _shared.Remove(gradient.Root);
                entry.Record(gradient);
            }
        }

        foreach (var input in inputs)
            if (!_gradients.ContainsKey(input))
                throw new ArgumentException($"{output} does not depend on {input}, so it has no gradient towards it.");
        if (!parameters) return;
        if (output is { Parameter: { } itself, NeedsGradient: true })
        {
            var own = Bind("d_" + output.Name, output.Owner!.GradientOf(itself));
            Record(nameof(IKernels.Copy), [cotangent], [own], k => k.Copy(cotangent.View, own.View));
            _gradients[output] = own;
        }
        if (!_parameterTensors.Values.Any(_gradients.ContainsKey))
            throw new InvalidOperationException($"{output} depends on no parameter of this plan that is trained, so there is nothing to learn.");
        ZeroUnusedGradients();
    }

    /// <summary>Whether a gradient has to be recorded towards a tensor.</summary>
    public bool NeedsGradient(Tensor? tensor) => tensor is { NeedsGradient: true };

    /// <summary>The gradient of a tensor that <see cref="Backward"/> was asked for.</summary>
    /// <exception cref="KeyNotFoundException">It was not: no gradient was recorded, or its memory served for another one since.</exception>
    public Tensor GradientOf(Tensor tensor) => _leaves.Contains(tensor) && _gradients.TryGetValue(tensor, out var gradient)
        ? gradient
        : throw new KeyNotFoundException(
            $"No gradient of {tensor} was recorded; name it among the inputs of Backward. Those of parameters are in {nameof(Parameters)}.{nameof(Parameters.Gradients)}.");

    /// <summary>
    /// The tensor to write a gradient into, and whether it has a writer already: then the kernel accumulates, else it overwrites. So nothing is
    /// ever zero-filled.
    /// </summary>
    public (Tensor Gradient, bool Accumulate) GradientTarget(Tensor tensor)
    {
        if (_gradients.TryGetValue(tensor, out var gradient))
        {
            if (!_callerOwned.Contains(gradient.Root)) return (gradient, true);
            // The caller's cotangent is not ours to add to.
            var own = Temporary(tensor.Shape, "d_" + tensor.Name);
            var source = gradient;
            Record(nameof(IKernels.Copy), [source], [own], k => k.Copy(source.View, own.View));
            return (_gradients[tensor] = own, true);
        }
        gradient = tensor.Parameter is { } parameter
            ? Bind("d_" + tensor.Name, tensor.Owner!.GradientOf(parameter))
            : new Tensor(tensor.Shape, "d_" + tensor.Name, TensorKind.Temporary) { Builder = this };
        if (gradient.Kind == TensorKind.Temporary) _tensors.Add(gradient);
        _gradients[tensor] = gradient;
        return (gradient, false);
    }

    /// <summary>
    /// Passes an op's output gradient on unchanged (addition, a residual). The first taker shares the buffer: its op's other readers are
    /// recorded already, so what later ops accumulate into it comes after them.
    /// </summary>
    public void PassGradient(Tensor gradient, Tensor towards)
    {
        if (!NeedsGradient(towards)) return;
        if (towards.Parameter is null && !_gradients.ContainsKey(towards) && _shared.Add(gradient.Root))
        {
            _gradients[towards] = gradient;
            return;
        }
        var (target, accumulate) = GradientTarget(towards);
        if (accumulate) Record(nameof(IKernels.Accumulate), [gradient, target], [target], k => k.Accumulate(gradient.View, target.View), gradient.Count);
        else Record(nameof(IKernels.Copy), [gradient], [target], k => k.Copy(gradient.View, target.View));
    }

    private void ZeroUnusedGradients()
    {
        foreach (var parameter in Parameters!.Items)
        {
            if (_parameterTensors.TryGetValue(parameter, out var tensor) && _gradients.ContainsKey(tensor)) continue;
            var unused = Bind("d_" + parameter.Name, Parameters.GradientOf(parameter));
            Record(nameof(IKernels.Fill), [], [unused], k => k.Fill(unused.View, 0f));
        }
    }

    private readonly record struct BackwardEntry(Tensor[] Inputs, Tensor Output, Action<Tensor> Record);
}
