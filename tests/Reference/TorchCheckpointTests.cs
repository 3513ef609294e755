using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

[Category("Reference")]
public sealed class TorchCheckpointTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.TorchCheckpoint);

    [TestCaseSource(nameof(Cases))]
    public void The_published_state_dict_equals_the_case_tensor_by_tensor(ReferenceCase reference)
    {
        using var torch = CheckpointFile.Open(reference.Path);
        using var safetensors = CheckpointFile.Open(Path.ChangeExtension(reference.Path, ".safetensors"));
        CheckpointFile weights = safetensors.Within("weights.");
        Assert.That(torch.Tensors.Select(t => t.Name), Is.EqualTo(weights.Tensors.Select(t => t.Name)));
        foreach (TensorInfo tensor in weights.Tensors)
        {
            Assert.That(torch.Find(tensor.Name).ToString(), Is.EqualTo(tensor.ToString()));
            Assert.That(torch.ReadFloat(tensor.Name), Is.EqualTo(weights.ReadFloat(tensor.Name)), tensor.Name);
        }
    }
}
