namespace NativeDiffusion.Tests.Emulator;

/// <summary>What a 128-bit access moves.</summary>
internal readonly record struct Float4(float X, float Y, float Z, float W);
