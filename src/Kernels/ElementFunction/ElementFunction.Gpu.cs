namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ElementFunctionForward(ElementFunction function, float alpha, TensorView x, TensorView y)
    {
        switch (function)
        {
            case ElementFunction.Sigmoid: Map(default(SigmoidFormula), x, y); break;
            case ElementFunction.Exp: Map(default(ExpFormula), x, y); break;
            case ElementFunction.Sqrt: Map(default(SqrtFormula), x, y); break;
            case ElementFunction.Reciprocal: Map(default(ReciprocalFormula), x, y); break;
            case ElementFunction.Abs: Map(default(AbsFormula), x, y); break;
            case ElementFunction.Erf: Map(default(ErfFormula), x, y); break;
            case ElementFunction.ExactGelu: Map(default(ExactGeluFormula), x, y); break;
            case ElementFunction.LeakyRelu: Map(new LeakyReluFormula { Alpha = alpha }, x, y); break;
            default: Map(new EluFormula { Alpha = alpha }, x, y); break;
        }
    }

    /// <inheritdoc/>
    public void ElementFunctionBackward(ElementFunction function, float alpha, TensorView x, TensorView dy, TensorView dx, bool accumulate)
    {
        switch (function)
        {
            case ElementFunction.Sigmoid: Map(default(SigmoidGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.Exp: Map(default(ExpGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.Sqrt: Map(default(SqrtGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.Reciprocal: Map(default(ReciprocalGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.Abs: Map(default(AbsGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.Erf: Map(default(ErfGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.ExactGelu: Map(default(ExactGeluGradientFormula), x, dy, dx, accumulate); break;
            case ElementFunction.LeakyRelu: Map(new LeakyReluGradientFormula { Alpha = alpha }, x, dy, dx, accumulate); break;
            default: Map(new EluGradientFormula { Alpha = alpha }, x, dy, dx, accumulate); break;
        }
    }
}
