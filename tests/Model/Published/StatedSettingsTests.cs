using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>What files say of their networks is used, contradictions are refused by both names, and what nobody says is listed.</summary>
internal sealed class StatedSettingsTests
{
    private static string File => Path.Combine(TestContext.CurrentContext.WorkDirectory, $"stated-{TestContext.CurrentContext.Test.ID}.safetensors");

    [TearDown]
    public void Delete() => System.IO.File.Delete(File);

    [Test]
    public void Flags_of_a_training_script_outrank_guesses()
    {
        using var model = Load(PublishedFixture.Adm, ("args", """
            {"image_size":64,"num_channels":32,"num_res_blocks":1,"num_heads":2,"num_heads_upsample":-1,"num_head_channels":-1,"attention_resolutions":"32","channel_mult":"1,2",
             "class_cond":false,"learn_sigma":true,"diffusion_steps":4000,"noise_schedule":"cosine","rescale_timesteps":true,"predict_xstart":false,"use_new_attention_order":true,"lr":0.0001}
            """));
        var network = (UNetConfig)model.Network.Config;
        Assert.That((network.ImageSize, network.NumHeads, network.NumHeadChannels, network.UseNewAttentionOrder), Is.EqualTo((64, 2, (int?)null, true)));
        var settings = model.Settings;
        Assert.That((settings.Schedule, settings.Timesteps, settings.RescaleTimesteps, settings.Prediction), Is.EqualTo((NoiseScheduleKind.Cosine, 4000, true, PredictionType.Eps)));
        Assert.That(settings.NoiseSchedule().TimestepAt(settings.Discrete().LogSnr[3999]), Is.EqualTo(999.75).Within(1e-9));
        Assert.That(model.Assumptions, Is.Empty);
    }

    [TestCase("""{"num_head_channels":16}""", 16, 1)]
    [TestCase("""{"model":{"num_heads":8},"data":{"path":"x"}}""", null, 8)]
    public void Constructor_arguments_are_found(string config, int? headChannels, int heads)
    {
        using var model = Load(PublishedFixture.Adm, ("config", config));
        var network = (UNetConfig)model.Network.Config;
        Assert.That(network.NumHeadChannels, Is.EqualTo(headChannels));
        if (headChannels is null) Assert.That(network.NumHeads, Is.EqualTo(heads));
    }

    [TestCase("""{"num_res_blocks":2}""", "args.num_res_blocks says 2", "those of 1")]
    [TestCase("""{"learn_sigma":false}""", "args.learn_sigma says false", "those of true")]
    [TestCase("""{"class_cond":true}""", "args.class_cond says true", "those of false")]
    [TestCase("""{"num_channels":64}""", "args.num_channels says 64", "those of 32")]
    [TestCase("""{"image_size":32,"attention_resolutions":"8"}""", "args.attention_resolutions says [8]", "those of [2]")]
    [TestCase("""{"num_heads":3}""", "not possible", "3 heads")]
    [TestCase("""{"noise_schedule":"sqrt"}""", "'sqrt'", "linear and cosine")]
    public void A_contradiction_of_the_tensors_names_both(string args, string one, string other) =>
        Assert.That(() => Load(PublishedFixture.Adm, ("args", args)), Throws.TypeOf<CheckpointException>().With.Message.Contains(one).And.Message.Contains(other));

    [Test]
    public void Two_places_and_the_user_contradict_each_other_by_name()
    {
        Assert.That(() => Load(PublishedFixture.Adm, ("args", """{"num_heads":2}"""), ("config", """{"num_heads":4}""")),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("args.num_heads says 2").And.Message.Contains("config.num_heads says 4"));
        Write(PublishedFixture.Adm, ("args", """{"num_heads":2}"""));
        Assert.That(() => Load(new PublishedSettings { NumHeads = 4 }), Throws.TypeOf<CheckpointException>().With.Message.Contains("args.num_heads says 2").And.Message.Contains("num_heads as given says 4"));
        Assert.That(() => Load(new PublishedSettings { NumHeadChannels = 16 }), Throws.TypeOf<CheckpointException>().With.Message.Contains("args.num_heads says 2"));
        Assert.That(() => Load(new PublishedSettings { NullClass = true }), Throws.TypeOf<CheckpointException>().With.Message.Contains("without classes"));
    }

    [Test]
    public void What_nobody_says_is_a_listed_guess_that_the_user_can_set()
    {
        Write(PublishedFixture.Adm);
        using (var model = Load((PublishedSettings?)null))
        {
            Assert.That(model.Assumptions.Select(a => a.Setting), Is.EquivalentTo(new[]
            {
                "image_size", "num_heads", "use_new_attention_order", "noise_schedule", "diffusion_steps", "rescale_timesteps", "prediction",
            }));
            Assert.That(model.Assumptions, Has.All.Property("Published").Null);
            Assert.That(model.Assumptions.Single(a => a.Setting == "num_heads").Value, Is.EqualTo("4"), "the default of the training scripts");
        }
        using var said = Load(new PublishedSettings
        {
            NumHeads = 2, UseNewAttentionOrder = true, ImageSize = 32, Schedule = NoiseScheduleKind.Cosine, Timesteps = 4000, RescaleTimesteps = true, Prediction = PredictionType.X0,
        });
        Assert.That(said.Assumptions, Is.Empty);
        Assert.That((((UNetConfig)said.Network.Config).ImageSize, said.Settings.Timesteps, said.Settings.Prediction), Is.EqualTo((32, 4000, PredictionType.X0)));
    }

    [Test]
    public void A_published_network_is_assumed_by_its_name()
    {
        var family = NetworkFamilies.All[0];
        Assert.That(family.PublishedAs(family.Infer(family.TensorsOf(UNetConfig.Adm64))!), Is.EqualTo("64x64_diffusion"));
        Assert.That(family.PublishedAs(PublishedFixture.Adm), Is.Null);
    }

    [Test]
    public void An_image_size_that_nothing_shows_is_asked_for()
    {
        Write(PublishedFixture.Adm with { AttentionResolutions = [] });
        Assert.That(() => Load((PublishedSettings?)null), Throws.TypeOf<CheckpointException>().With.Message.Contains("image_size").And.Message.Contains("--image-size"));
        using var model = Load(new PublishedSettings { ImageSize = 16 });
        Assert.That(model.Network.Config.ImageSize, Is.EqualTo(16));
    }

    [Test]
    public void An_upsampler_is_refused_as_one()
    {
        Write(PublishedFixture.Adm with { InChannels = 6, OutChannels = 3 }, ("args", """{"learn_sigma":false,"in_channels":3}"""));
        Assert.That(() => Load((PublishedSettings?)null), Throws.TypeOf<CheckpointException>().With.Message.Contains("upsampler").And.Message.Contains("small picture"));
    }

    [Test]
    public void A_null_class_is_one_row_of_the_label_embedding()
    {
        var labelled = PublishedFixture.Adm with { NumClasses = 11 };
        Write(labelled, ("args", """{"num_classes":10}"""));
        Assert.That(() => Load((PublishedSettings?)null), Throws.TypeOf<CheckpointException>().With.Message.Contains("11 rows").And.Message.Contains("null_class"));
        using (var model = Load(new PublishedSettings { NullClass = true })) Assert.That((model.NullLabel, model.Settings.ClassNames.Length), Is.EqualTo((10, 10)));
        Write(labelled, ("args", """{"num_classes":11}"""));
        using (var model = Load((PublishedSettings?)null)) Assert.That((model.NullLabel, model.Settings.ClassNames.Length), Is.EqualTo((-1, 11)));
    }

    [TestCase("""{"num_classes":11}""", -1, 11)]
    [TestCase("""{"num_classes":10}""", 10, 10)]
    [TestCase("""{"class_dropout_prob":0}""", -1, 11)]
    [TestCase("""{"class_dropout_prob":0.2,"num_heads":2,"image_size":64}""", 10, 10)]
    public void A_transformer_has_a_null_class_where_training_dropped_labels(string args, int nullLabel, int classes)
    {
        using var model = Load(PublishedFixture.Dit, ("args", args));
        Assert.That((model.NullLabel, model.Settings.ClassNames.Length), Is.EqualTo((nullLabel, classes)));
        Assert.That(model.Assumptions.Select(a => a.Setting), Has.None.EqualTo("null_class"));
    }

    [Test]
    public void A_transformers_null_class_and_heads_are_guesses_unless_said()
    {
        Write(PublishedFixture.Dit);
        using (var model = Load((PublishedSettings?)null))
            Assert.That(model.Assumptions.Where(a => a.Published is null).Select(a => a.Setting), Is.SupersetOf(new[] { "null_class", "num_heads" }));
        using (var model = Load(new PublishedSettings { NullClass = false, NumHeads = 8 }))
            Assert.That((model.NullLabel, ((DitConfig)model.Network.Config).NumHeads), Is.EqualTo((-1, 8)));
        Write(PublishedFixture.Dit, ("args", """{"num_classes":11,"class_dropout_prob":0.1}"""));
        Assert.That(() => Load((PublishedSettings?)null), Throws.TypeOf<CheckpointException>().With.Message.Contains("args.class_dropout_prob").And.Message.Contains("args.num_classes says 11"));
    }

    [Test]
    public void Settings_that_a_network_has_not_are_refused()
    {
        PublishedFixture.Write(File, PublishedFixture.Song);
        Assert.That(() => Load(new PublishedSettings { NumHeads = 2 }), Throws.TypeOf<CheckpointException>().With.Message.Contains("num_heads as given does not apply"));
    }

    [TestCase("pt", "unet", "config.yaml")]
    [TestCase(null, "adm_unet", "{}")]
    [TestCase("pt", "adm_unet", "{not json")]
    public void Metadata_of_others_under_our_keys_are_theirs(string? format, string architecture, string config)
    {
        (string, string)[] metadata = [("architecture", architecture), ("config", config), ("diffusion", "x"), ("epoch", "3")];
        using var model = Load(PublishedFixture.Adm, format is null ? metadata : [("format", format), .. metadata]);
        Assert.That(model.Network.Config.ImageSize, Is.EqualTo(16));
    }

    [Test]
    public void Our_own_files_declare_rescaled_timesteps()
    {
        using var kernels = new CpuKernels(1);
        foreach (bool rescaled in new[] { false, true })
        {
            using (var model = new DiffusionModel(PublishedFixture.Adm, new DiffusionSettings { Timesteps = 4000, RescaleTimesteps = rescaled }, kernels)) model.Save(File);
            using var loaded = DiffusionModel.Load(File, kernels);
            var table = new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 4, Spacing = SpacingKind.Section }.Build(loaded);
            Assert.That(table.Rows[0].Timestep, Is.EqualTo(rescaled ? 999.75 : 3999).Within(1e-9));
        }
        Assert.That(() => DiffusionModel.Load(File, kernels, settings: new PublishedSettings { NumHeads = 2 }), Throws.TypeOf<CheckpointException>().With.Message.Contains("says all of its network"));
    }

    [Test]
    public void Raw_weights_are_those_beside_the_average()
    {
        PublishedFixture.Write(File, PublishedFixture.Adm, null, "model.", "ema.");
        float First(WeightChoice choice)
        {
            using var model = DiffusionModel.Load(File, new CpuKernels(1), choice);
            return model.Parameters.Values.Span[0];
        }
        using (var file = CheckpointFile.Open(File))
        {
            Assert.That(First(WeightChoice.Average), Is.EqualTo(file.ReadFloat("ema.time_embed.0.weight")[0]));
            Assert.That(First(WeightChoice.Raw), Is.EqualTo(file.ReadFloat("model.time_embed.0.weight")[0]));
        }
        PublishedFixture.Write(File, PublishedFixture.Adm, null, "ema.");
        Assert.That(() => First(WeightChoice.Raw), Throws.TypeOf<CheckpointException>().With.Message.Contains("averaged weights only").And.Message.Contains("ema."));
    }

    private static void Write(INetworkConfig network, params (string Key, string Text)[] metadata) => PublishedFixture.Write(File, network, metadata.ToDictionary(m => m.Key, m => m.Text));

    private static DiffusionModel Load(INetworkConfig network, params (string Key, string Text)[] metadata)
    {
        Write(network, metadata);
        return Load((PublishedSettings?)null);
    }

    private static DiffusionModel Load(PublishedSettings? settings) => DiffusionModel.Load(File, new CpuKernels(1), settings: settings);
}
