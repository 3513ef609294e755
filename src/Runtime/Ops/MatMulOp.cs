using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The products of two stacks of matrices, y[i] = a[i] b[i]: [B,M,K] and [B,K,N] to [B,M,N], both of them with a gradient.</summary>
    /// <param name="a">[B,M,K].</param>
    /// <param name="b">[B,K,N], or [B,N,K] if it is transposed.</param>
    /// <param name="transposed">Whether each b[i] is taken transposed.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor MatMul(Tensor a, Tensor b, bool transposed = false)
    {
        if (a.Shape.Rank != 3 || b.Shape.Rank != 3 || a.Shape[0] != b.Shape[0] || a.Shape[2] != b.Shape[transposed ? 2 : 1])
            throw new ArgumentException($"MatMul takes matrices [B,M,K] and [B,{(transposed ? "N,K" : "K,N")}]; got {a} and {b}.");
        int count = a.Shape[0], columns = b.Shape[transposed ? 1 : 2];
        var y = Temporary(new Shape(count, a.Shape[1], columns), "product");
        double flops = 2.0 * a.Count * columns;
        Record(transposed ? nameof(IKernels.LinearForward) : nameof(IKernels.LinearInputGrad), [a, b], [y], k =>
        {
            for (int i = 0; i < count; i++)
                if (transposed) k.LinearForward(Matrix(a.View, i), Matrix(b.View, i), default, Matrix(y.View, i));
                else k.LinearInputGrad(Matrix(a.View, i), Matrix(b.View, i), Matrix(y.View, i), accumulate: false);
        }, flops);
        OnBackward([a, b], y, dy =>
        {
            if (NeedsGradient(b))
            {
                var (db, accumulate) = GradientTarget(b);
                Record(nameof(IKernels.LinearWeightGrad), [a, dy], [db], k =>
                {
                    for (int i = 0; i < count; i++)
                        if (transposed) k.LinearWeightGrad(Matrix(a.View, i), Matrix(dy.View, i), Matrix(db.View, i), accumulate);
                        else k.LinearWeightGrad(Matrix(dy.View, i), Matrix(a.View, i), Matrix(db.View, i), accumulate);
                }, flops);
            }
            if (!NeedsGradient(a)) return;
            if (transposed)
            {
                var (da, accumulate) = GradientTarget(a);
                Record(nameof(IKernels.LinearInputGrad), [dy, b], [da], k =>
                {
                    for (int i = 0; i < count; i++) k.LinearInputGrad(Matrix(dy.View, i), Matrix(b.View, i), Matrix(da.View, i), accumulate);
                }, flops);
                return;
            }
            var own = Temporary(a.Shape, "d_" + a.Name);
            Record(nameof(IKernels.LinearForward), [dy, b], [own], k =>
            {
                for (int i = 0; i < count; i++) k.LinearForward(Matrix(dy.View, i), Matrix(b.View, i), default, Matrix(own.View, i));
            }, flops);
            PassGradient(own, a);
        });
        return y;
    }

    private static TensorView Matrix(TensorView stack, int i) => stack.Rows(i, 1).Reshape(new Shape(stack.Shape[1], stack.Shape[2]));
}
