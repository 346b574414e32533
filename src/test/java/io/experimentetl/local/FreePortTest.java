package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class FreePortTest {
  @Test
  void portOfAnotherProcessIsNamedWithTheRemedy() throws Exception {
    try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      int taken = other.getLocalPort();

      assertThatThrownBy(() -> FreePort.requireFree("Kafka", Path.of("k"), FreePort.pick(), taken))
          .isInstanceOf(PlatformException.class)
          .hasMessageContaining("Kafka cannot start: another process has its port " + taken)
          .hasMessageContaining("remove k/identity.properties");
    }
  }

  @Test
  void portIsNoneThatAnOutgoingConnectionMayGet() {
    assertThat(IntStream.range(0, 50).map(i -> FreePort.pick())).allMatch(port -> port < 32_768);
  }

  @Test
  void processesSideBySideChooseOtherPorts() {
    assertThat(
            IntStream.range(32_700, 32_900)
                .flatMap(pid -> IntStream.range(0, 60).map(nth -> FreePort.port(pid, nth))))
        .doesNotHaveDuplicates()
        .allMatch(port -> port >= 15_000 && port < 32_000);
  }

  @Test
  void freePortsPass() {
    FreePort.requireFree("Kafka", Path.of("k"), FreePort.pick());
  }
}
