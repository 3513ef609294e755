namespace NativeDiffusion.Runtime;

/// <summary>
/// The ways by which values go from the leaves of a gradient through a plan, whether or not a gradient can go back on them. A way on which it cannot
/// is an error where it meets one on which it can: the sum would lack its part.
/// </summary>
internal sealed class GradientWays
{
    private readonly Dictionary<Tensor, string> _reached = [], _overwritten = [];

    /// <summary>Follows the steps of a plan.</summary>
    /// <param name="steps">What was recorded so far.</param>
    /// <param name="leaves">Tensors towards which gradients are asked.</param>
    public GradientWays(IEnumerable<Step> steps, IEnumerable<Tensor> leaves)
    {
        foreach (var leaf in leaves) _reached[leaf.Root] = "";
        var used = new HashSet<Tensor>();
        foreach (var step in steps)
        {
            bool reaches = step.Reads.Any(t => _reached.ContainsKey(t.Root));
            foreach (var tensor in step.Reads) used.Add(tensor.Root);
            foreach (var tensor in step.Writes)
            {
                // Packed weights are a layout of what they are made from, and whoever needs them first makes them.
                if (!used.Add(tensor.Root) && !tensor.IsPacked) _overwritten.TryAdd(tensor.Root, step.Kernel);
                if (reaches) _reached.TryAdd(tensor.Root, step.Kernel);
            }
        }
    }

    /// <summary>Checks an op whose output has a gradient.</summary>
    /// <exception cref="InvalidOperationException">A part of the gradient would get lost, or be taken at values that have changed since.</exception>
    public void Require(Tensor[] inputs, Tensor output)
    {
        foreach (var input in inputs)
            if (!input.NeedsGradient && _reached.TryGetValue(input.Root, out string? kernel))
                throw new InvalidOperationException(
                    $"{kernel} has no gradient, and {input}, which it wrote, leads to {output}: say with OnBackward how it is recorded, or take the gradient from before it.");
        if (!inputs.Any(i => i.NeedsGradient)) return;
        foreach (var tensor in inputs.Append(output))
            if (_overwritten.TryGetValue(tensor.Root, out string? kernel))
                throw new InvalidOperationException(
                    $"{kernel} changed {tensor} in place, so there is no gradient through it; record the gradient before the change, or change a copy.");
    }
}
