namespace NativeDiffusion.Kernels;

/// <summary>How two operands are walked beside a result of rank 4: lines of one stride each, and where they start.</summary>
internal struct PairWalk
{
    /// <summary>Outer extents, and the length of a line.</summary>
    public int D0, D1, D2, Length;

    /// <summary>Strides of the operands in elements, 0 where an extent is repeated; the last is that within a line.</summary>
    public int A0, A1, A2, A3, B0, B1, B2, B3;

    /// <summary>Neighbouring axes that both operands have, or both repeat, become one.</summary>
    public static PairWalk Of(Shape a, Shape b, Shape y)
    {
        Span<int> extents = [1, 1, 1, 1];
        Span<bool> inA = [true, true, true, true], inB = [true, true, true, true];
        int at = 3;
        bool open = false;
        for (int i = 3; i >= 0; i--)
        {
            if (y[i] == 1) continue;
            bool hasA = a[i] != 1, hasB = b[i] != 1;
            if (open && (inA[at] != hasA || inB[at] != hasB)) at--;
            (inA[at], inB[at], open) = (hasA, hasB, true);
            extents[at] = checked(extents[at] * y[i]);
        }
        Span<int> strideA = [0, 0, 0, 0], strideB = [0, 0, 0, 0];
        int sizeA = 1, sizeB = 1;
        for (int i = 3; i >= 0; i--)
        {
            if (extents[i] == 1) continue;
            if (inA[i]) (strideA[i], sizeA) = (sizeA, checked(sizeA * extents[i]));
            if (inB[i]) (strideB[i], sizeB) = (sizeB, checked(sizeB * extents[i]));
        }
        return new PairWalk
        {
            D0 = extents[0], D1 = extents[1], D2 = extents[2], Length = extents[3],
            A0 = strideA[0], A1 = strideA[1], A2 = strideA[2], A3 = strideA[3], B0 = strideB[0], B1 = strideB[1], B2 = strideB[2], B3 = strideB[3],
        };
    }
}
