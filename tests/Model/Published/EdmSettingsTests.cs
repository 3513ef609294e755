using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>The constructor arguments of EDM's pickles, in the form in which they are read: one JSON text for each network.</summary>
internal sealed class EdmSettingsTests
{
    private static string File => Path.Combine(TestContext.CurrentContext.WorkDirectory, $"edm-{TestContext.CurrentContext.Test.ID}.safetensors");

    [TearDown]
    public void Delete() => System.IO.File.Delete(File);

    [TestCase("EDMPrecond", NoiseScheduleKind.Edm)]
    [TestCase("VPPrecond", NoiseScheduleKind.VpSde)]
    [TestCase("VEPrecond", NoiseScheduleKind.VeSde)]
    [TestCase("iDDPMPrecond", NoiseScheduleKind.Iddpm)]
    public void A_pickle_says_what_its_tensors_do_not(string className, NoiseScheduleKind schedule)
    {
        using var model = Load("""{"label_dropout":0.2,"sigma_data":0.25,"resample_filter":[1,2,2,1],"model_type":"SongUNet","channel_mult":[1,2]}""", className, "ema.", "ema.model.");
        Assert.That((model.Settings.Schedule, model.Settings.SigmaData, model.Settings.NullClass, model.NullLabel), Is.EqualTo((schedule, 0.25, true, 3)));
        Assert.That(((SongUNetConfig)model.Network.Config).ResampleFilter, Is.EqualTo(new[] { 1.0, 2, 2, 1 }));
        Assert.That(model.Assumptions, Is.Empty);
    }

    [Test]
    public void Arguments_of_the_preconditioning_are_used()
    {
        using (var model = Load("""{"sigma_min":0.01,"sigma_max":50}""", "EDMPrecond")) Assert.That(model.Settings.NoiseSchedule().SigmaRange, Is.EqualTo((0.01, 50)));
        using (var model = Load("""{"sigma_min":0,"sigma_max":Infinity}""", "EDMPrecond")) Assert.That(model.Settings.NoiseSchedule().SigmaRange, Is.EqualTo((0, double.PositiveInfinity)));
        using (var model = Load("""{"sigma_min":0.03,"sigma_max":60}""", "VEPrecond")) Assert.That(model.Settings.NoiseSchedule().SigmaRange, Is.EqualTo((0.03, 60)));
        using (var model = Load("""{"beta_d":9.9,"beta_min":0.2,"M":500,"epsilon_t":0.001}""", "VPPrecond"))
        {
            var vp = (VpSdeSchedule)model.Settings.NoiseSchedule();
            Assert.That((vp.BetaMin, vp.BetaMax, vp.TimeScale, vp.LeastU), Is.EqualTo((0.2, 10.1, 499, 0.001)));
            Assert.That(vp.SigmaRange.Greatest, Is.EqualTo(Math.Sqrt(Math.Exp(9.9 / 2 + 0.2) - 1)).Within(1e-9), "EDM's formula");
        }
        using (var model = Load("""{"C_1":0.002,"C_2":0.01,"M":100}""", "iDDPMPrecond"))
            Assert.That(((IddpmSchedule)model.Settings.NoiseSchedule()).Sigmas, Is.EqualTo(new IddpmSchedule(0.002, 0.01, 100).Sigmas));
    }

    [TestCase("""{"resample_filter":[1,2,2]}""", "resample_filter", "[1, 2, 2]")]
    [TestCase("""{"model_type":"DhariwalUNet"}""", "init_kwargs.model_type says 'DhariwalUNet'", "'SongUNet'")]
    [TestCase("""{"img_resolution":16}""", "init_kwargs.img_resolution says 16", "those of 8")]
    [TestCase("""{"label_dim":4}""", "init_kwargs.label_dim says 4", "those of 3")]
    [TestCase("""{"embedding_type":"fourier"}""", "init_kwargs.embedding_type says 'fourier'", "'positional'")]
    [TestCase("""{"attn_resolutions":[4]}""", "init_kwargs.attn_resolutions says [4]", "those of []")]
    [TestCase("""{"sigma_min":5,"sigma_max":1}""", "not possible", "5 to 1")]
    public void Arguments_that_cannot_be_are_refused(string arguments, string one, string other) =>
        Assert.That(() => Load(arguments, "EDMPrecond"), Throws.TypeOf<CheckpointException>().With.Message.Contains(one).And.Message.Contains(other));

    [Test]
    public void A_filter_is_read_from_the_buffers_and_must_be_that_of_the_arguments()
    {
        float[] square = [.. new[] { 1f, 2, 2, 1 }.SelectMany(a => new[] { 1f, 2, 2, 1 }.Select(b => a * b / 36))];
        void WriteWith(string arguments)
        {
            PublishedFixture.Write(File + ".plain", PublishedFixture.Song);
            using var plain = CheckpointFile.Open(File + ".plain");
            SafetensorsWriter.Write(File, plain.Tensors.Select(t => TensorEntry.From(plain, t.Name, null)).Append(TensorEntry.Of("enc.4x4_down.conv0.resample_filter", [1, 1, 4, 4], square)),
                new Dictionary<string, string> { ["init_kwargs"] = arguments });
        }
        try
        {
            WriteWith("{}");
            using (var model = DiffusionModel.Load(File, new CpuKernels(1)))
                Assert.That(((SongUNetConfig)model.Network.Config).ResampleFilter.Select(v => v * 6), Is.EqualTo(new[] { 1.0, 2, 2, 1 }).Within(1e-5));
            WriteWith("""{"resample_filter":[1,3,3,1]}""");
            Assert.That(() => DiffusionModel.Load(File, new CpuKernels(1)), Throws.TypeOf<CheckpointException>().With.Message.Contains("[1, 3, 3, 1]").And.Message.Contains("0.3333"));
        }
        finally
        {
            System.IO.File.Delete(File + ".plain");
        }
    }

    [Test]
    public void Of_weights_alone_the_user_says_the_rest()
    {
        PublishedFixture.Write(File, PublishedFixture.Song);
        using (var model = DiffusionModel.Load(File, new CpuKernels(1)))
            Assert.That((model.NullLabel, string.Join(",", model.Assumptions.Select(a => a.Setting))), Is.EqualTo((-1, "null_class,noise_schedule,sigma_data")));
        using (var model = DiffusionModel.Load(File, new CpuKernels(1), settings: new PublishedSettings { NullClass = true, Schedule = NoiseScheduleKind.VpSde }))
            Assert.That((model.NullLabel, model.Settings.Schedule), Is.EqualTo((3, NoiseScheduleKind.VpSde)));
    }

    [Test]
    public void Arguments_follow_a_network_that_was_taken_out_of_its_file()
    {
        using var model = Load("""{"label_dropout":0.2}""", "VPPrecond", "ema.", "");
        Assert.That((model.NullLabel, model.Settings.Schedule), Is.EqualTo((3, NoiseScheduleKind.VpSde)));
    }

    private static DiffusionModel Load(string arguments, string className, string scope = "", string prefix = "model.")
    {
        PublishedFixture.Write(File, PublishedFixture.Song, new Dictionary<string, string>
        {
            [scope + "class_name"] = className, [scope + "init_kwargs"] = arguments, ["other.class_name"] = "SomethingElse",
        }, prefix);
        return DiffusionModel.Load(File, new CpuKernels(1));
    }
}
