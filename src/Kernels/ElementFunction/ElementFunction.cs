namespace NativeDiffusion.Kernels;

/// <summary>A differentiable function of one number, as networks of other frameworks apply it element by element.</summary>
public enum ElementFunction
{
    /// <summary>1 / (1 + e^-x).</summary>
    Sigmoid,

    /// <summary>e^x, with x clamped to [-87, 88].</summary>
    Exp,

    /// <summary>The square root; NaN below 0.</summary>
    Sqrt,

    /// <summary>1 / x.</summary>
    Reciprocal,

    /// <summary>|x|; the derivative at 0 is 0.</summary>
    Abs,

    /// <summary>The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.</summary>
    Erf,

    /// <summary>x Phi(x) with the normal distribution function Phi: GELU in its exact form (Hendrycks and Gimpel, arXiv 1606.08415).</summary>
    ExactGelu,

    /// <summary>x above 0, else alpha x.</summary>
    LeakyRelu,

    /// <summary>x above 0, else alpha (e^x - 1).</summary>
    Elu,
}

public partial interface IKernels
{
    /// <summary>y = f(x). y may be x.</summary>
    /// <param name="function">f.</param>
    /// <param name="alpha">Its parameter; not read by those that have none.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="y">The shape of x.</param>
    internal void ElementFunctionForward(ElementFunction function, float alpha, TensorView x, TensorView y);

    /// <summary>dx = dy f'(x). dx may be dy when it does not accumulate.</summary>
    internal void ElementFunctionBackward(ElementFunction function, float alpha, TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
