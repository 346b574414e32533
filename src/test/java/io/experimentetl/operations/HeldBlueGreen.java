package io.experimentetl.operations;

import io.experimentetl.local.PlatformAddresses;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * The verb {@code bluegreen} in a process of its own, which waits behind one of its lines for its
 * end: a test kills it there. Arguments: the platform's folder, the job's jar, the beginning of the
 * line, and the verb's own.
 */
final class HeldBlueGreen {
  private HeldBlueGreen() {}

  public static void main(String[] arguments) {
    PlatformAddresses addresses = PlatformAddresses.read(Path.of(arguments[0])).orElseThrow();
    Path jar = Path.of(arguments[1]);
    CommandLine verb = new CommandLine(new BlueGreenCommand(new OnPlatform(addresses, jar)));
    verb.setOut(new HoldingWriter(arguments[2]));
    System.exit(verb.execute(Arrays.copyOfRange(arguments, 3, arguments.length)));
  }

  /** The options of a verb that works on a platform. */
  @Command
  static final class OnPlatform implements DeploymentOptions {
    private final PlatformAddresses addresses;
    private final Path jar;

    OnPlatform(PlatformAddresses addresses, Path jar) {
      this.addresses = addresses;
      this.jar = jar;
    }

    @Override
    public Deployment deployment() {
      return addresses.deployment(jar);
    }
  }

  private static final class HoldingWriter extends PrintWriter {
    private final String held;

    HoldingWriter(String held) {
      super(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), true);
      this.held = held;
    }

    @Override
    public void println(String line) {
      super.println(line);
      flush();
      if (line.startsWith(held)) {
        super.println("held");
        flush();
        try {
          new CountDownLatch(1).await();
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }
}
