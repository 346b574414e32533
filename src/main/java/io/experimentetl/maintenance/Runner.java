package io.experimentetl.maintenance;

import java.net.InetAddress;
import java.net.UnknownHostException;

/** This process, as {@code etl_schedule} names it. */
public final class Runner {
  private Runner() {}

  /** Host and process id. */
  public static String name() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      // A machine without a name in DNS.
      host = "unknown";
    }
    return host + ":" + ProcessHandle.current().pid();
  }
}
