package io.experimentetl.local;

import java.util.HashMap;
import java.util.Map;

/** Flink's settings for a cluster of separate processes that lives for one test. */
public final class TestCluster {
  /**
   * The optimising compiler is of no use to a process that ends after a minute. The other option is
   * that of flink-conf.
   */
  private static final String SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

  private static final Map<String, String> SETTINGS =
      Map.of(
          "env.java.opts.jobmanager",
          SHORT_LIVED + " -XX:SoftRefLRUPolicyMSPerMB=0",
          "env.java.opts.taskmanager",
          SHORT_LIVED,
          "execution.checkpointing.interval",
          "1 s",
          // ms. How old the answers may be that the verbs and the tests wait for; the default is 3
          // s.
          "web.refresh-interval",
          "200");

  private TestCluster() {}

  /** The settings, and others of the test. */
  public static Map<String, String> settings(Map<String, String> others) {
    Map<String, String> all = new HashMap<>(SETTINGS);
    all.putAll(others);
    return all;
  }

  /** A platform without Kafka with such a cluster. */
  public static PlatformOptions platform() {
    PlatformOptions options = PlatformOptions.defaults().withoutKafka();
    SETTINGS.forEach(options::withFlinkSetting);
    return options;
  }
}
