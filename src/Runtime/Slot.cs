namespace NativeDiffusion.Runtime;

/// <summary>A host value that a plan reads each time it runs: step number, seed, learning rate, sampler row.</summary>
public sealed class Slot<T>
    where T : struct
{
    /// <summary>A slot that holds <paramref name="value"/> until it is set.</summary>
    public Slot(T value = default) => Value = value;

    /// <summary>What the next run reads.</summary>
    public T Value;
}
