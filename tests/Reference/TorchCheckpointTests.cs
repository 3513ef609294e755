using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

[Category("Reference")]
public sealed class TorchCheckpointTests
{
    [Test]
    public void The_published_state_dict_equals_the_case_tensor_by_tensor()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "Reference", "Data");
        using var torch = CheckpointFile.Open(Path.Combine(folder, "adm_unet.pt"));
        using var safetensors = CheckpointFile.Open(Path.Combine(folder, "adm_unet.safetensors"));
        CheckpointFile weights = safetensors.Within("weights.");
        Assert.That(torch.Tensors.Select(t => t.Name), Is.EqualTo(weights.Tensors.Select(t => t.Name)));
        foreach (TensorInfo tensor in weights.Tensors)
        {
            Assert.That(torch.Find(tensor.Name).ToString(), Is.EqualTo(tensor.ToString()));
            Assert.That(torch.ReadFloat(tensor.Name), Is.EqualTo(weights.ReadFloat(tensor.Name)), tensor.Name);
        }
    }
}
