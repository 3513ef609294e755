using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Noise;

/// <summary>A tensor on the CPU between two runs of NaNs that nobody may touch, for kernels called without a plan.</summary>
internal sealed class GuardedTensor : IDisposable
{
    private const int Guard = 64;
    private readonly CpuMemory _memory;

    public GuardedTensor(Shape shape, Func<int, float>? fill = null)
    {
        _memory = new CpuMemory(shape.Count + 2 * Guard);
        new TensorView(_memory, 0, new Shape((int)_memory.Length)).Span.Fill(float.NaN);
        View = new TensorView(_memory, Guard, shape);
        if (fill is not null)
            for (int i = 0; i < View.Count; i++) View.Span[i] = fill(i);
    }

    /// <summary>int32 bits.</summary>
    public GuardedTensor(params int[] values) : this(new Shape(values.Length), i => BitConverter.Int32BitsToSingle(values[i])) { }

    public TensorView View { get; }

    public float[] Values => View.Span.ToArray();

    public static implicit operator TensorView(GuardedTensor? tensor) => tensor?.View ?? default;

    public void AssertGuardsIntact(string name)
    {
        foreach (long start in new[] { 0, Guard + View.Count })
            foreach (float value in new TensorView(_memory, start, new Shape(Guard)).Span)
                if (!float.IsNaN(value))
                    Assert.Fail($"{name}: an element beside {View.Shape} was overwritten with {value}.");
    }

    public void Dispose() => _memory.Dispose();
}
