namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Phases of a stride that are computed together.
    private const int MostWindows = 16;

    /// <inheritdoc/>
    long IKernels.Conv2dPackedLength(in Conv2dShape shape, Conv2dPass pass)
    {
        if (UsesWideWinograd(shape)) return 0;
        if (UsesWinograd(shape))
            return pass == Conv2dPass.Forward
                ? WinogradPackedLength(shape.InChannels, shape.OutChannels)
                : WinogradPackedLength(shape.OutChannels, shape.InChannels);
        if (pass == Conv2dPass.Forward) return ConvWindow.Forward(shape).PackedLength(LaneCount);
        long length = 0;
        for (int py = 0; py < shape.Stride; py++)
            for (int px = 0; px < shape.Stride; px++)
                length += ConvWindow.InputGrad(shape, py, px).PackedLength(LaneCount);
        return length;
    }

    /// <inheritdoc/>
    void IKernels.Conv2dPack(in Conv2dShape shape, Conv2dPass pass, TensorView weight, TensorView packed)
    {
        if (UsesWideWinograd(shape))
            throw new ArgumentException($"{shape} reads its weights as they are: it has no packed ones.", nameof(shape));
        if (UsesWinograd(shape))
        {
            switch (LaneCount)
            {
                case 16: PackWinograd<Lanes512>(shape, pass, weight.Pointer, packed.Pointer); break;
                case 8: PackWinograd<Lanes256>(shape, pass, weight.Pointer, packed.Pointer); break;
                default: PackWinograd<Lanes128>(shape, pass, weight.Pointer, packed.Pointer); break;
            }
            return;
        }
        float* target = packed.Pointer;
        if (pass == Conv2dPass.Forward)
        {
            PackWindow(ConvWindow.Forward(shape), shape, pass, 0, 0, weight.Pointer, target);
            return;
        }
        for (int py = 0; py < shape.Stride; py++)
            for (int px = 0; px < shape.Stride; px++)
            {
                var window = ConvWindow.InputGrad(shape, py, px);
                PackWindow(window, shape, pass, py, px, weight.Pointer, target);
                target += window.PackedLength(LaneCount);
            }
    }

    /// <inheritdoc/>
    void IKernels.Conv2dForward(in Conv2dShape shape, in Conv2dInput input, TensorView packed, in Conv2dEpilogue epilogue, TensorView y)
    {
        switch (LaneCount)
        {
            case 16: ForwardLanes<Lanes512>(shape, input, packed, epilogue, y); break;
            case 8: ForwardLanes<Lanes256>(shape, input, packed, epilogue, y); break;
            default: ForwardLanes<Lanes128>(shape, input, packed, epilogue, y); break;
        }
        // A pass of its own for now; callers need not change when the tiles gather the sums.
        if (!epilogue.NormMean.IsEmpty) Ops.GroupNormStats(y, epilogue.NormMean.Shape.Channels, epilogue.NormEpsilon, epilogue.NormMean, epilogue.NormRstd);
    }

    /// <inheritdoc/>
    void IKernels.Conv2dInputGrad(
        in Conv2dShape shape, TensorView dy, TensorView packed, TensorView du, bool accumulate, in ActivationGradient through)
    {
        switch (LaneCount)
        {
            case 16: InputGradLanes<Lanes512>(shape, dy, packed, du, accumulate, through); break;
            case 8: InputGradLanes<Lanes256>(shape, dy, packed, du, accumulate, through); break;
            default: InputGradLanes<Lanes128>(shape, dy, packed, du, accumulate, through); break;
        }
    }

    /// <inheritdoc/>
    void IKernels.Conv2dWeightGrad(in Conv2dShape shape, in Conv2dInput input, TensorView dy, TensorView workspace, TensorView dw, bool accumulate)
    {
        switch (LaneCount)
        {
            case 16: WeightGradLanes<Lanes512>(shape, input, dy, workspace, dw, accumulate); break;
            case 8: WeightGradLanes<Lanes256>(shape, input, dy, workspace, dw, accumulate); break;
            default: WeightGradLanes<Lanes128>(shape, input, dy, workspace, dw, accumulate); break;
        }
    }

    private void ForwardLanes<V>(in Conv2dShape shape, in Conv2dInput input, TensorView packed, in Conv2dEpilogue epilogue, TensorView y)
        where V : unmanaged, ILanes<V>
    {
        var source = ConvSource.Of(input, shape.Height, shape.Width, shape.InChannels);
        var store = new ConvEpilogue
        {
            Bias = epilogue.Bias.Pointer,
            Embedding = epilogue.Embedding.Pointer,
            Residual = epilogue.Residual.Pointer,
            Activation = epilogue.Activation == Activation.Softplus ? Activation.None : epilogue.Activation,
            Finish = epilogue.Activation == Activation.Softplus ? ConvFinish.Softplus : ConvFinish.None,
            Beta = epilogue.Beta,
            Channels = shape.OutChannels,
            Y = y.Pointer,
        };
        bool apart = UsesWideWinograd(shape) && store.Finish != ConvFinish.None;
        if (apart) store.Finish = ConvFinish.None;
        if (UsesWinograd(shape)) RunWinograd<V>(shape, source, packed.Pointer, forward: true, store);
        else RunWindow<V>(ConvWindow.Forward(shape), source, shape.Batch, packed.Pointer, store);
        if (apart) Ops.SoftplusForward(y, epilogue.Beta, y);
    }

    private void RunWinograd<V>(in Conv2dShape shape, in ConvSource source, float* weights, bool forward, in ConvEpilogue epilogue)
        where V : unmanaged, ILanes<V>
    {
        var output = new WinogradOutput<V> { Epilogue = epilogue, Height = shape.Height, Width = shape.Width };
        if (UsesWideWinograd(shape)) RunWideWinograd(source, shape.Batch, weights, forward, output);
        else RunWinograd(source, shape.Batch, weights, output);
    }

    private void InputGradLanes<V>(in Conv2dShape shape, TensorView dy, TensorView packed, TensorView du, bool accumulate, in ActivationGradient through)
        where V : unmanaged, ILanes<V>
    {
        var source = ConvSource.Plain(dy.Pointer, shape.OutHeight, shape.OutWidth, shape.OutChannels);
        var store = new ConvEpilogue { Channels = shape.InChannels, Y = du.Pointer, Residual = accumulate ? du.Pointer : null };
        if (!through.Result.IsEmpty)
        {
            store.Finish = through.Activation == Activation.Relu ? ConvFinish.ReluGradient : ConvFinish.SoftplusGradient;
            store.Beta = through.Beta;
            store.Activated = through.Result.Pointer;
        }
        // Where several jobs or rounds share an output, the activation has a pass of its own.
        int phases = shape.Stride * shape.Stride, most = Math.Min(phases, MostWindows);
        bool apart = store.Finish != ConvFinish.None && (phases > most || UsesWideWinograd(shape));
        if (apart) store.Finish = ConvFinish.None;
        if (UsesWinograd(shape)) RunWinograd<V>(shape, source, packed.Pointer, forward: false, store);
        else RunPhases<V>(shape, source, packed.Pointer, phases, most, store);
        if (!apart) return;
        if (through.Activation == Activation.Relu) Ops.ReluBackward(through.Result, du, du, accumulate: false);
        else Ops.SoftplusBackward(through.Result, through.Beta, du, du, accumulate: false);
    }

    private void RunPhases<V>(in Conv2dShape shape, in ConvSource source, float* weights, int phases, int most, in ConvEpilogue store)
        where V : unmanaged, ILanes<V>
    {
        var windows = stackalloc ConvWindow[most];
        long packedLength = 0;
        for (int first = 0; first < phases; first += most)
        {
            int count = Math.Min(most, phases - first);
            for (int i = 0; i < count; i++)
            {
                windows[i] = ConvWindow.InputGrad(shape, (first + i) / shape.Stride, (first + i) % shape.Stride);
                windows[i].Packed = packedLength;
                packedLength += windows[i].PackedLength(V.Count);
            }
            RunWindows<V>(new(windows, count), source, shape.Batch, weights, store);
        }
    }
}
