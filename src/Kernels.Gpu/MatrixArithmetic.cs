namespace NativeDiffusion.Kernels;

/// <summary>
/// How a GPU multiplies matrices: in linear layers and convolutions, forward and backward. Sums are float32 in every case, and all other ops,
/// attention among them, compute in float32 throughout. docs/gpu.md gives the measured errors.
/// </summary>
public enum MatrixArithmetic
{
    /// <summary>Factors as they are, by fused multiply-adds.</summary>
    Ieee,

    /// <summary>Factors rounded to TF32: 11 significant bits, the range of float32.</summary>
    Tf32,

    /// <summary>Factors rounded to bfloat16: 8 significant bits, the range of float32.</summary>
    Bf16,
}
