using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Steps per cache block: a block of B (two vectors wide) then takes 32 KiB at 16 lanes.
    private const int LinearStepBlock = 256;
    private const int LinearRowBlock = 256;
    private const int LinearPanels = 4;

    /// <inheritdoc/>
    void IKernels.LinearForward(TensorView x, TensorView weight, TensorView bias, TensorView y)
    {
        if (LaneCount == 16) LinearForward<Lanes512>(x, weight, bias, y);
        else if (LaneCount == 8) LinearForward<Lanes256>(x, weight, bias, y);
        else LinearForward<Lanes128>(x, weight, bias, y);
    }

    /// <inheritdoc/>
    void IKernels.LinearInputGrad(TensorView dy, TensorView weight, TensorView dx, bool accumulate)
    {
        int m = LinearRows(dy.Shape), n = weight.Shape[0], k = weight.Shape[1];
        var product = new LinearProduct(dy.Pointer, n, 1, m, weight.Pointer, k, n, dx.Pointer, accumulate);
        RunLinearProduct(product);
    }

    /// <inheritdoc/>
    void IKernels.LinearWeightGrad(TensorView x, TensorView dy, TensorView dw, bool accumulate)
    {
        int m = LinearRows(dy.Shape), n = dy.Shape.Channels, k = x.Shape.Channels;
        var product = new LinearProduct(dy.Pointer, 1, n, n, x.Pointer, k, m, dw.Pointer, accumulate);
        RunLinearProduct(product);
    }

    /// <inheritdoc/>
    void IKernels.LinearBiasGrad(TensorView dy, TensorView db, bool accumulate)
    {
        if (LaneCount == 16) LinearBiasGrad<Lanes512>(dy, db, accumulate);
        else if (LaneCount == 8) LinearBiasGrad<Lanes256>(dy, db, accumulate);
        else LinearBiasGrad<Lanes128>(dy, db, accumulate);
    }

    private static int LinearRows(Shape shape) => checked((int)(shape.Count / shape.Channels));

    private void LinearForward<V>(TensorView x, TensorView weight, TensorView bias, TensorView y)
        where V : unmanaged, ILanes<V>
    {
        int panel = 2 * V.Count;
        int rows = LinearRows(x.Shape), outputs = weight.Shape[0];
        int panels = Math.Min(LinearPanels, MatrixProduct.Blocks(rows, panel));
        // Rows in lanes: few rows give small pieces that share the reading of the weights; many rows, pieces that reuse the transposed x.
        int outputBlock = panels == 1 ? 64 : LinearRowBlock;
        EnsureScratch((long)panels * panel * (LinearStepBlock + outputBlock));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        int outputBlocks = MatrixProduct.Blocks(outputs, outputBlock);
        var job = new LinearForwardJob<V>
        {
            X = x.Pointer, Weight = weight.Pointer, Bias = bias.Pointer, Y = y.Pointer,
            Rows = rows, Inputs = weight.Shape[1], Outputs = outputs,
            Panels = panels, OutputBlock = outputBlock, OutputBlocks = outputBlocks, Scratch = scratch,
        };
        Pool.Run(ref job, outputBlocks * MatrixProduct.Blocks(rows, panels * panel));
    }

    private struct LinearForwardJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public float* X, Weight, Bias, Y;
        public int Rows, Inputs, Outputs, Panels, OutputBlock, OutputBlocks;
        public float** Scratch;

        public readonly void Execute(int item, int worker)
        {
            int panel = 2 * V.Count;
            int n0 = item % OutputBlocks * OutputBlock;
            int outputs = Math.Min(OutputBlock, Outputs - n0);
            int m0 = item / OutputBlocks * Panels * panel;
            int rows = Math.Min(Panels * panel, Rows - m0);
            float* xt = Scratch[worker];
            float* c = xt + (nint)Panels * panel * LinearStepBlock;
            nint cPanel = (nint)OutputBlock * panel;

            for (int k0 = 0; k0 < Inputs; k0 += LinearStepBlock)
            {
                int steps = Math.Min(LinearStepBlock, Inputs - k0);
                for (int p = 0; p * panel < rows; p++)
                {
                    int columns = Math.Min(panel, rows - p * panel);
                    float* packed = xt + (nint)p * panel * LinearStepBlock;
                    if (columns % V.Count != 0) new Span<float>(packed, steps * panel).Clear();
                    Transposition.Run(X + (m0 + p * panel) * (nint)Inputs + k0, Inputs, columns, steps, packed, panel);
                    float* w = Weight + n0 * (nint)Inputs + k0;
                    MatrixProduct.Multiply<V>(w, Inputs, 1, outputs, packed, panel, steps, c + p * cPanel, panel, columns, k0 > 0);
                }
            }
            for (int p = 0; p * panel < rows; p++)
            {
                int columns = Math.Min(panel, rows - p * panel);
                float* cp = c + p * cPanel;
                if (Bias != null) AddToRows(cp, outputs, Bias + n0);
                Transposition.Run(cp, panel, outputs, columns, Y + (m0 + p * panel) * (nint)Outputs + n0, Outputs);
            }
        }

        private static void AddToRows(float* c, int rows, float* values)
        {
            for (nint i = 0; i < rows; i++)
            {
                V value = V.Broadcast(values[i]);
                V.Store(c, V.Load(c) + value);
                V.Store(c + V.Count, V.Load(c + V.Count) + value);
                c += 2 * V.Count;
            }
        }
    }

    private void RunLinearProduct(LinearProduct product)
    {
        if (LaneCount == 16) RunLinearProduct<Lanes512>(product);
        else if (LaneCount == 8) RunLinearProduct<Lanes256>(product);
        else RunLinearProduct<Lanes128>(product);
    }

    private void RunLinearProduct<V>(LinearProduct product)
        where V : unmanaged, ILanes<V>
    {
        int panel = 2 * V.Count;
        // A large A: several panels share its way from memory. A small one: small pieces, for the sake of threads.
        int panels = product.Rows > LinearRowBlock && product.Steps > LinearStepBlock ? LinearPanels : 1;
        EnsureScratch((long)panels * panel * (LinearStepBlock + LinearRowBlock));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        int columnBlocks = MatrixProduct.Blocks(product.Columns, panels * panel);
        var job = new LinearProductJob<V> { Product = product, Panels = panels, ColumnBlocks = columnBlocks, Scratch = scratch };
        Pool.Run(ref job, columnBlocks * MatrixProduct.Blocks(product.Rows, LinearRowBlock));
    }

    /// <summary>C[i, j] (+)= sum over s of a[i * aRow + s * aStep] * b[s * columns + j], C dense.</summary>
    private readonly struct LinearProduct(float* a, nint aRow, nint aStep, int rows, float* b, int columns, int steps, float* c, bool accumulate)
    {
        public readonly float* A = a, B = b, C = c;
        public readonly nint ARow = aRow, AStep = aStep;
        public readonly int Rows = rows, Columns = columns, Steps = steps;
        public readonly bool Accumulate = accumulate;
    }

    private struct LinearProductJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public LinearProduct Product;
        public int Panels, ColumnBlocks;
        public float** Scratch;

        public readonly void Execute(int item, int worker)
        {
            var product = Product;
            int panel = 2 * V.Count;
            int j0 = item % ColumnBlocks * Panels * panel;
            int columns = Math.Min(Panels * panel, product.Columns - j0);
            int i0 = item / ColumnBlocks * LinearRowBlock;
            int rows = Math.Min(LinearRowBlock, product.Rows - i0);
            float* packed = Scratch[worker];
            float* c = packed + (nint)panel * LinearStepBlock;
            nint cPanel = (nint)panel * LinearRowBlock;
            for (int s0 = 0; s0 < product.Steps; s0 += LinearStepBlock)
            {
                int steps = Math.Min(LinearStepBlock, product.Steps - s0);
                float* a = product.A + i0 * product.ARow + s0 * product.AStep;
                float* b = product.B + s0 * (nint)product.Columns + j0;
                for (int p = 0; p * panel < columns; p++)
                {
                    int width = Math.Min(panel, columns - p * panel);
                    Pack(b + p * panel, product.Columns, steps, width, packed);
                    MatrixProduct.Multiply<V>(
                        a, product.ARow, product.AStep, rows, packed, panel, steps, c + p * cPanel, panel, width, s0 > 0);
                }
            }
            for (int p = 0; p * panel < columns; p++)
            {
                float* source = c + p * cPanel;
                float* destination = product.C + i0 * (nint)product.Columns + j0 + p * panel;
                for (nint i = 0; i < rows; i++)
                {
                    StoreRow(source, destination, Math.Min(panel, columns - p * panel), product.Accumulate);
                    source += panel;
                    destination += product.Columns;
                }
            }
        }

        private static void Pack(float* source, nint stride, int rows, int columns, float* packed)
        {
            int second = Math.Max(0, columns - V.Count);
            for (nint i = 0; i < rows; i++)
            {
                V.Store(packed, columns >= V.Count ? V.Load(source) : V.LoadPartial(source, columns));
                V.Store(packed + V.Count, second == V.Count ? V.Load(source + V.Count) : V.LoadPartial(source + V.Count, second));
                packed += 2 * V.Count;
                source += stride;
            }
        }

        private static void StoreRow(float* c, float* destination, int columns, bool accumulate)
        {
            for (int j = 0; j < columns; j += V.Count)
            {
                V value = V.Load(c + j);
                int count = Math.Min(V.Count, columns - j);
                if (count == V.Count) V.Store(destination + j, accumulate ? V.Load(destination + j) + value : value);
                else V.StorePartial(destination + j, accumulate ? V.LoadPartial(destination + j, count) + value : value, count);
            }
        }
    }

    private void LinearBiasGrad<V>(TensorView dy, TensorView db, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        int columns = dy.Shape.Channels;
        var job = new LinearBiasGradJob<V> { Dy = dy.Pointer, Db = db.Pointer, Rows = LinearRows(dy.Shape), Columns = columns, Accumulate = accumulate };
        Pool.Run(ref job, MatrixProduct.Blocks(columns, 4 * V.Count));
    }

    private struct LinearBiasGradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public float* Dy, Db;
        public int Rows, Columns;
        public bool Accumulate;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int item, int worker)
        {
            int j0 = item * 4 * V.Count;
            float* source = Dy + j0;
            float* destination = Db + j0;
            if (Columns - j0 >= 4 * V.Count)
            {
                V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
                for (nint i = Rows; i > 0; i--)
                {
                    s0 += V.Load(source);
                    s1 += V.Load(source + V.Count);
                    s2 += V.Load(source + 2 * V.Count);
                    s3 += V.Load(source + 3 * V.Count);
                    source += Columns;
                }
                V.Store(destination, Accumulate ? V.Load(destination) + s0 : s0);
                V.Store(destination + V.Count, Accumulate ? V.Load(destination + V.Count) + s1 : s1);
                V.Store(destination + 2 * V.Count, Accumulate ? V.Load(destination + 2 * V.Count) + s2 : s2);
                V.Store(destination + 3 * V.Count, Accumulate ? V.Load(destination + 3 * V.Count) + s3 : s3);
                return;
            }
            for (int j = j0; j < Columns; j++)
            {
                float sum = 0;
                for (nint i = 0; i < Rows; i++) sum += Dy[i * Columns + j];
                Db[j] = Accumulate ? Db[j] + sum : sum;
            }
        }
    }
}
