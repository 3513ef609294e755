using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class ParametersTests
{
    private CpuKernels _kernels = null!;

    [SetUp]
    public void Start() => _kernels = new CpuKernels(2);

    [TearDown]
    public void End() => _kernels.Dispose();

    [Test]
    public void Parameters_lie_on_cache_lines_in_order_of_declaration()
    {
        using var parameters = new Parameters(_kernels);
        var a = parameters.Add("a", new Shape(17));
        var b = parameters.Add("b", new Shape(4, 3, 2, 5));
        var c = parameters.Add("c", new Shape(8, 2), default, 8, 2, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(parameters.Items, Is.EqualTo(new[] { a, b, c }));
            Assert.That(new[] { a.Offset, b.Offset, c.Offset }, Is.EqualTo(new long[] { 0, 32, 160 }));
            Assert.That(parameters.Count, Is.EqualTo(17 + 120 + 16));
            Assert.That(parameters.Values.Count, Is.EqualTo(176));
            Assert.That(b.PublishedShape, Is.EqualTo(new[] { 4, 5, 3, 2 }), "[Cout, Cin, Kh, Kw]");
            Assert.That(c.PublishedShape, Is.EqualTo(new[] { 8, 2, 1 }));
            Assert.That(parameters["b"], Is.SameAs(b));
            Assert.That(parameters.Contains("b") && !parameters.Contains("d"));
            Assert.That(parameters.ValueOf(c).Offset, Is.EqualTo(c.Offset));
            Assert.That(parameters.GradientOf(c).Memory, Is.SameAs(parameters.Gradients.Memory).And.Not.SameAs(parameters.Values.Memory));
            Assert.That(parameters.FirstMoment.Count, Is.EqualTo(176));
            Assert.That(parameters.SecondMoment.Memory, Is.Not.SameAs(parameters.FirstMoment.Memory));
        }
    }

    [Test]
    public void Names_that_are_taken_unknown_or_late_are_refused()
    {
        using var parameters = new Parameters(_kernels);
        Assert.That(() => parameters.Values, Throws.InvalidOperationException.With.Message.Contains("No parameter"));
        parameters.Add("a", new Shape(3));
        Assert.That(() => parameters.Add("a", new Shape(4)), Throws.ArgumentException.With.Message.Contains("'a'"));
        Assert.That(() => parameters["z"], Throws.InstanceOf<KeyNotFoundException>().With.Message.Contains("'z'"));
        Assert.That(parameters.Values.Count, Is.EqualTo(16), "the refused one took no room");
        Assert.That(() => parameters.Add("b", new Shape(4)), Throws.InvalidOperationException.With.Message.Contains("'b'"));
    }

    [Test]
    public void A_clone_has_the_values_and_a_life_of_its_own()
    {
        using var parameters = new Parameters(_kernels);
        var a = parameters.Add("a", new Shape(2, 3), Initializer.Normal(0.5), 2, 3, 1);
        parameters.ValueOf(a).Span.Fill(2);
        using var clone = parameters.Clone();
        parameters.ValueOf(a).Span.Fill(3);
        Assert.That(clone["a"].Initializer, Is.EqualTo(a.Initializer));
        Assert.That(clone["a"].PublishedShape, Is.EqualTo(a.PublishedShape));
        Assert.That(clone.ValueOf(clone["a"]).Span.ToArray(), Is.All.EqualTo(2f));
        long version = clone.Version;
        clone.CopyValuesFrom(parameters);
        Assert.That(clone.ValueOf(clone["a"]).Span.ToArray(), Is.All.EqualTo(3f));
        Assert.That(clone.Version, Is.GreaterThan(version));
    }

    // The two layouts take the same room, so a comparison of lengths would not see the difference.
    [Test]
    public void Values_of_another_layout_are_refused_even_where_the_room_is_the_same()
    {
        using Parameters first = new(_kernels), second = new(_kernels), third = new(_kernels), longer = new(_kernels);
        first.Add("a", new Shape(4, 3));
        second.Add("a", new Shape(3, 4));
        third.Add("b", new Shape(4, 3));
        longer.Add("a", new Shape(4, 3));
        longer.Add("b", new Shape(4, 3));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => first.CopyValuesFrom(second), Throws.ArgumentException.With.Message.Contains("[N=3,C=4]").And.Message.Contains("[N=4,C=3]"));
            Assert.That(() => first.CopyValuesFrom(third), Throws.ArgumentException.With.Message.Contains("'b'"));
            Assert.That(() => first.CopyValuesFrom(longer), Throws.ArgumentException.With.Message.Contains("2 and 1"));
        }
    }

    [Test]
    public void Initialisers_hold_their_scales()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Initializer.Zero, Is.EqualTo(default(Initializer)).And.Property("Scale").Zero);
            Assert.That(Initializer.One, Has.Property("Scale").EqualTo(1).And.Property("Distribution").EqualTo(InitialDistribution.Constant));
            Assert.That(Initializer.FanIn(16), Has.Property("Scale").EqualTo(0.25).And.Property("Distribution").EqualTo(InitialDistribution.Uniform));
            Assert.That(Initializer.Normal(0.02), Has.Property("Scale").EqualTo(0.02).And.Property("Distribution").EqualTo(InitialDistribution.Normal));
        }
    }
}
