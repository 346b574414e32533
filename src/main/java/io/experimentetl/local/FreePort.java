package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashSet;
import java.util.Set;

/** Free TCP ports of 127.0.0.1. */
final class FreePort {
  private static final Set<Integer> HANDED_OUT = new HashSet<>();

  private FreePort() {}

  /** A port that was free a moment ago and that this JVM has not handed out before. */
  static synchronized int pick() {
    while (true) {
      try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        if (HANDED_OUT.add(socket.getLocalPort())) {
          return socket.getLocalPort();
        }
      } catch (IOException e) {
        throw new UncheckedIOException("no free TCP port on 127.0.0.1", e);
      }
    }
  }
}
