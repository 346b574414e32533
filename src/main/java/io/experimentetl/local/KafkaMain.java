package io.experimentetl.local;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A KRaft broker in this JVM: server.properties, log directory, cluster id. Formats the directory
 * on first use.
 */
final class KafkaMain {
  private KafkaMain() {}

  public static void main(String[] args) {
    Path properties = Path.of(args[0]);
    if (!Files.exists(Path.of(args[1]).resolve("meta.properties"))) {
      int exit =
          kafka.tools.StorageTool.execute(
              new String[] {"format", "--config", properties.toString(), "--cluster-id", args[2]},
              System.out);
      if (exit != 0) {
        System.exit(exit);
      }
    }
    kafka.Kafka.main(new String[] {properties.toString()});
  }
}
