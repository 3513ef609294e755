namespace NativeDiffusion.Kernels;

/// <summary>A function of two numbers, applied to tensors whose extents are equal or 1.</summary>
public enum PairFunction
{
    /// <summary>a + b.</summary>
    Add,

    /// <summary>a - b.</summary>
    Subtract,

    /// <summary>a b.</summary>
    Multiply,

    /// <summary>a / b.</summary>
    Divide,

    /// <summary>The larger one; of equal ones the gradient is b's.</summary>
    Max,

    /// <summary>The smaller one; of equal ones the gradient is b's.</summary>
    Min,
}

public partial interface IKernels
{
    /// <summary>y = f(a, b); an extent of 1 is repeated. y may be an operand of its shape.</summary>
    /// <param name="function">f.</param>
    /// <param name="a">Rank 4, each extent that of y or 1.</param>
    /// <param name="b">Likewise.</param>
    /// <param name="y">Rank 4.</param>
    internal void PairForward(PairFunction function, TensorView a, TensorView b, TensorView y);

    /// <summary>d = dy times the derivative of f by a or b, for every element of y: where the operand was repeated, to be summed. Not for sums, nor the first operand of a difference, whose gradient is dy. d may be dy when it does not accumulate.</summary>
    /// <param name="function">f.</param>
    /// <param name="second">Whether it is b's gradient.</param>
    /// <param name="a">As in the forward pass.</param>
    /// <param name="b">As in the forward pass.</param>
    /// <param name="dy">The shape of y.</param>
    /// <param name="d">The shape of y.</param>
    /// <param name="accumulate">Whether d is added to.</param>
    internal void PairBackward(PairFunction function, bool second, TensorView a, TensorView b, TensorView dy, TensorView d, bool accumulate);
}
