namespace NativeDiffusion.Tests;
