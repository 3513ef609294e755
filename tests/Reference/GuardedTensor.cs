using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>A tensor between two strips of a NaN pattern that nothing may overwrite; its own elements start as NaN, so that a read shows.</summary>
internal sealed class GuardedTensor : IDisposable
{
    private const int Strip = 64;
    private const int Pattern = 0x7fc0dead;
    private readonly CpuMemory _memory;
    private readonly long _count;

    public GuardedTensor(Shape shape, float[]? values = null)
        : this(shape, shape.Count, values) { }

    public GuardedTensor(long count) => (_memory, _count, View) = Create(count, new Shape((int)Math.Max(1, count)));

    private GuardedTensor(Shape shape, long count, float[]? values)
    {
        (_memory, _count, View) = Create(count, shape);
        values?.CopyTo(View.Span);
    }

    public TensorView View { get; }

    public float[] ToArray() => View.Span.ToArray();

    public void CheckGuards()
    {
        var all = new TensorView(_memory, 0, new Shape((int)_memory.Length)).Span;
        for (int i = 0; i < all.Length; i++)
            if ((i < Strip || i >= Strip + _count) && BitConverter.SingleToInt32Bits(all[i]) != Pattern)
                Assert.Fail($"Element {i - Strip} of a tensor of {_count} elements was overwritten with {all[i]}.");
    }

    public void Dispose() => _memory.Dispose();

    private static (CpuMemory Memory, long Count, TensorView View) Create(long count, Shape shape)
    {
        var memory = new CpuMemory(count + 2 * Strip);
        new TensorView(memory, 0, new Shape((int)memory.Length)).Span.Fill(BitConverter.Int32BitsToSingle(Pattern));
        return (memory, count, new TensorView(memory, Strip, shape));
    }
}
