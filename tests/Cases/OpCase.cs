using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>A dense tensor in double, for oracles.</summary>
public sealed record DoubleTensor(Shape Shape, double[] Data)
{
    public DoubleTensor(Shape shape) : this(shape, new double[shape.Count]) { }

    /// <summary>Element n, h, w, c of an image.</summary>
    public ref double this[int n, int h, int w, int c] => ref Data[((n * Shape[1] + h) * Shape[2] + w) * Shape[3] + c];

    /// <summary>Element n, c of a matrix.</summary>
    public ref double this[int n, int c] => ref Data[n * Shape[1] + c];

    /// <summary>Element n, t, c of tokens.</summary>
    public ref double this[int n, int t, int c] => ref Data[(n * Shape[1] + t) * Shape[2] + c];
}

/// <summary>How an input is filled.</summary>
public enum Fill
{
    /// <summary>Standard normal times the scale.</summary>
    Normal,

    /// <summary>Uniform in (0, scale).</summary>
    Positive,

    /// <summary>int32 bit patterns from 0 to scale - 1.</summary>
    Index,
}

/// <summary>One input of a case. Batched inputs have the batch as outermost extent; weights are not batched.</summary>
public sealed record InputSpec(string Name, Shape Shape, Fill Fill = Fill.Normal, double Scale = 1, bool Batched = true)
{
    public bool Differentiable => Fill != Fill.Index && !Constant;

    /// <summary>True for an input that gets no gradient (timesteps, coefficients).</summary>
    public bool Constant { get; init; }
}

/// <summary>
/// One configuration of an op: its inputs, how it is recorded and what it should give, in double. The suite derives from it the forward test, the
/// gradient test, thread and batch invariance, the memory guards and the allocation test.
/// </summary>
/// <param name="Name">Printed on failure; contains the extents, so that the case can be re-created.</param>
/// <param name="Inputs">Inputs in the order that <paramref name="Record"/> and <paramref name="Oracle"/> take them.</param>
/// <param name="Record">Records the op; must take every extent from its inputs, for it is also called with batch 1.</param>
/// <param name="Oracle">The formula, written naively.</param>
public sealed record OpCase(string Name, InputSpec[] Inputs, Func<PlanBuilder, Tensor[], Tensor> Record, Func<DoubleTensor[], DoubleTensor> Oracle)
{
    /// <summary>Bound of the forward error: Tolerance * (1 + largest magnitude of the oracle).</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>Bound of the gradient's error, relative to the largest gradient element of that input.</summary>
    public double GradientTolerance { get; init; } = 1e-4;

    /// <summary>False for ops whose output mixes the batch (a mean loss).</summary>
    public bool RowsAreIndependent { get; init; } = true;

    /// <summary>Whether the plan is recorded with Training on (dropout).</summary>
    public bool Training { get; init; }

    public override string ToString() => Name;
}

/// <summary>A file of cases; the suite finds all implementations by reflection.</summary>
public interface ICaseList
{
    static abstract IEnumerable<OpCase> Cases { get; }
}

/// <summary>Names kernels that a test outside the op suite checks against an oracle.</summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
public sealed class CoversAttribute(params string[] kernels) : Attribute
{
    public string[] Kernels { get; } = kernels;
}
