using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class ShapeTests
{
    [Test]
    public void Letters_name_the_extents()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(new Shape().ToString(), Is.EqualTo("[]"));
            Assert.That(new Shape(5).ToString(), Is.EqualTo("[C=5]"));
            Assert.That(new Shape(2, 5).ToString(), Is.EqualTo("[N=2,C=5]"));
            Assert.That(new Shape(2, 7, 5).ToString(), Is.EqualTo("[N=2,T=7,C=5]"));
            Assert.That(new Shape(2, 16, 8, 64).ToString(), Is.EqualTo("[N=2,H=16,W=8,C=64]"));
        }
    }

    [Test]
    public void Counts_multiply_the_extents()
    {
        Assert.That(new Shape(2, 3, 4, 5), Has.Property("Count").EqualTo(120).And.Property("Batch").EqualTo(2)
            .And.Property("Channels").EqualTo(5).And.Property("RowCount").EqualTo(60).And.Property("Rank").EqualTo(4));
        Assert.That(new Shape(), Has.Property("Count").EqualTo(1).And.Property("Batch").EqualTo(1).And.Property("Channels").EqualTo(1));
        Assert.That(new Shape(70_000, 70_000).Count, Is.EqualTo(4_900_000_000));
        Assert.Throws<OverflowException>(() => _ = new Shape(int.MaxValue, int.MaxValue, int.MaxValue).Count);
    }

    [Test]
    public void Shapes_of_equal_extents_are_equal_and_of_other_ranks_are_not()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Shape.Of(2, 3, 4, 5), Is.EqualTo(new Shape(2, 3, 4, 5)));
            Assert.That(Shape.Of(2, 3, 4), Is.EqualTo(new Shape(2, 3, 4)));
            Assert.That(Shape.Of(2, 3), Is.EqualTo(new Shape(2, 3)));
            Assert.That(Shape.Of(2), Is.EqualTo(new Shape(2)));
            Assert.That(Shape.Of(), Is.EqualTo(new Shape()).And.EqualTo(default(Shape)));
            Assert.That(new Shape(1, 4), Is.Not.EqualTo(new Shape(4)));
            Assert.That(new Shape(2, 3).WithBatch(7), Is.EqualTo(new Shape(7, 3)));
            Assert.That(new Shape(2, 3, 4, 5).WithChannels(7), Is.EqualTo(new Shape(2, 3, 4, 7)));
        }
    }

    [Test]
    public void Impossible_shapes_are_refused_with_their_extents()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new Shape(2, 0), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("[N=2,C=0]"));
            Assert.That(() => new Shape(2, 3, -4, 5), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("W=-4"));
            Assert.That(() => Shape.Of(1, 2, 3, 4, 5), Throws.ArgumentException.With.Message.Contains("got 5"));
            Assert.That(() => new Shape(2, 3)[2], Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("Dimension 2 of a shape of rank 2"));
            Assert.That(() => new Shape().WithChannels(3), Throws.InvalidOperationException);
        }
    }

    [Test]
    public void Views_give_rows_and_refuse_what_is_not_theirs()
    {
        using var memory = new CpuMemory(40);
        var view = new TensorView(memory, 8, new Shape(4, 3));
        for (int i = 0; i < 12; i++) view.Span[i] = i;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(view.Rows(1, 2).Span.ToArray(), Is.EqualTo(new float[] { 3, 4, 5, 6, 7, 8 }));
            Assert.That(view.Reshape(new Shape(2, 6)).Rows(1, 1).Span.ToArray(), Is.EqualTo(new float[] { 6, 7, 8, 9, 10, 11 }));
            Assert.That(() => view.Rows(3, 2), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("2 rows from row 3 of [N=4,C=3]"));
            Assert.That(() => view.Rows(1, int.MaxValue), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => view.Reshape(new Shape(5)), Throws.ArgumentException.With.Message.Contains("[N=4,C=3] (12 elements) as [C=5]"));
            Assert.That(() => new TensorView(memory, 8, new Shape(33)), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("33 elements, and the memory has 40"));
            Assert.That(() => default(TensorView).Span.Length, Throws.InvalidOperationException);
        }
        memory.Dispose();
        Assert.That(() => view.Span.Length, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public unsafe void Memory_is_aligned_zeroed_and_only_grows([Values(1, 17, 100_000)] int length)
    {
        using var memory = new CpuMemory(0);
        Assert.That(memory.Length, Is.Zero);
        memory.EnsureLength(length);
        Assert.That((long)memory.Pointer % 64, Is.Zero);
        Assert.That(new TensorView(memory, 0, new Shape(length)).Span.ToArray(), Is.All.Zero);
        memory.Pointer[0] = 3;
        memory.EnsureLength(1);
        Assert.That(memory.Length, Is.EqualTo(length));
        Assert.That(memory.Pointer[0], Is.EqualTo(3), "not reallocated");
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.EnsureLength(-1));
    }
}
