namespace NativeDiffusion.Runtime;

/// <summary>
/// The ways by which values go from the leaves of a gradient through a plan, whether or not a gradient can go back on them. A way on which it cannot
/// is an error where it meets one on which it can: the sum would lack its part.
/// </summary>
internal sealed class GradientWays
{
    // For each tensor that a leaf leads to the call at which gradients end, or nothing; and what changed a tensor in place.
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
            string? broken = BreakOf(step);
            foreach (var tensor in step.Reads) used.Add(tensor.Root);
            foreach (var tensor in step.Writes)
            {
                // Packed weights are a layout of what they are made from, and whoever needs them first makes them.
                if (!used.Add(tensor.Root) && !tensor.IsPacked) _overwritten.TryAdd(tensor.Root, step.Kernel);
                if (broken is not null) _reached.TryAdd(tensor.Root, tensor.NeedsGradient ? "" : broken);
            }
        }
    }

    /// <summary>The call at which the gradients of what a step writes end: this one, or one before it; null if it reads nothing that a leaf leads to.</summary>
    private string? BreakOf(Step step)
    {
        string? broken = null;
        foreach (var tensor in step.Reads)
            if (_reached.TryGetValue(tensor.Root, out string? before))
                broken = before.Length == 0 || tensor.NeedsGradient ? step.Kernel : broken ?? before;
        return broken;
    }

    /// <summary>Checks an op whose output has a gradient.</summary>
    /// <exception cref="InvalidOperationException">A part of the gradient would get lost, or be taken at values that have changed since.</exception>
    public void Require(Tensor[] inputs, Tensor output)
    {
        foreach (var input in inputs)
            if (!input.NeedsGradient && _reached.TryGetValue(input.Root, out string? kernel) && kernel.Length > 0)
                throw new InvalidOperationException(
                    $"{kernel} has no gradient, and leads by {input} to {output}: say with OnBackward how it is recorded, or take the gradient from before it.");
        if (!inputs.Any(i => i.NeedsGradient)) return;
        foreach (var tensor in inputs.Append(output))
            if (_overwritten.TryGetValue(tensor.Root, out string? kernel))
                throw new InvalidOperationException(
                    $"{kernel} changed {tensor} in place, so there is no gradient through it; record the gradient before the change, or change a copy.");
    }
}
