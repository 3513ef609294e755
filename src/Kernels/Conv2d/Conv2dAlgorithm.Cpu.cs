namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    private const string WinogradName = "Winograd F(4x4,3x3)", DirectName = "direct";

    /// <inheritdoc/>
    string IKernels.Conv2dAlgorithm(in Conv2dShape shape, Conv2dPass pass)
    {
        if (UsesWinograd(shape)) return WinogradName;
        var window = pass == Conv2dPass.Forward ? ConvWindow.Forward(shape) : ConvWindow.InputGrad(shape, 0, 0);
        return window.UsesDot(LaneCount) ? "dot products" : DirectName;
    }

    /// <inheritdoc/>
    string IKernels.Conv2dWeightGradAlgorithm(in Conv2dShape shape) => UsesWinogradWeightGrad(shape) ? WinogradName : DirectName;
}
