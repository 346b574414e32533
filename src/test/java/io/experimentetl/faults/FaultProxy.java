package io.experimentetl.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A TCP proxy on a free port of 127.0.0.1 that forwards everything and injects faults on request.
 * It keeps running when its clients or its server restart.
 *
 * <p>There are two kinds of faults. Network faults apply to any protocol and to open connections
 * ({@link #network}, {@link #hangUp}, {@link #hangUpAfter}). Request faults apply to single HTTP
 * requests ({@link #next}); a connection that does not start with an HTTP request has none of them.
 * Every method is thread-safe.
 */
public final class FaultProxy implements AutoCloseable {

  /** The direction of data. */
  public enum Direction {
    TO_SERVER,
    TO_CLIENT
  }

  private static final int BACKLOG = 200;

  private final ServerSocket listener;
  private final InetSocketAddress server;
  private final Set<Link> links = new LinkedHashSet<>();
  private final List<PendingFault> pending = new ArrayList<>();
  private Condition condition = Condition.GOOD;
  private Countdown countdown;
  private boolean closed;
  private long connections;
  private long refused;
  private long hungUp;
  private long requests;
  private long answers;
  private long inFlight;
  private long releases;
  private long faults;
  private long bytesToServer;
  private long bytesToClient;

  private static final class PendingFault {
    private final RequestFault fault;
    private final String inHead;
    private int left;

    PendingFault(RequestFault fault, String inHead, int left) {
      this.fault = fault;
      this.inHead = inHead;
      this.left = left;
    }
  }

  private static final class Countdown {
    private final Direction direction;
    private final Hangup hangup;
    private long bytes;

    Countdown(Direction direction, long bytes, Hangup hangup) {
      this.direction = direction;
      this.bytes = bytes;
      this.hangup = hangup;
    }
  }

  private FaultProxy(InetSocketAddress server) throws IOException {
    this.server = server;
    this.listener = new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
  }

  /**
   * Starts a proxy on a free port.
   *
   * @param host the server's host; the server need not run yet
   */
  public static FaultProxy to(String host, int port) {
    try {
      FaultProxy proxy = new FaultProxy(new InetSocketAddress(host, port));
      start("fault-proxy", proxy::accept);
      return proxy;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start a proxy to " + host + ":" + port, e);
    }
  }

  /** Starts a proxy on a free port in front of the server of this URL. */
  public static FaultProxy to(URI server) {
    return to(server.getHost(), server.getPort());
  }

  /** The port of 127.0.0.1 that clients connect to. */
  public int port() {
    return listener.getLocalPort();
  }

  /** The URL for HTTP clients. */
  public URI url() {
    return URI.create("http://127.0.0.1:" + port());
  }

  // Network faults.

  /** Sets the condition of the network, for open connections too. */
  public synchronized void network(Condition newCondition) {
    condition = newCondition;
    notifyAll();
  }

  /** Ends all open connections at once. */
  public void hangUp(Hangup hangup) {
    for (Link link : openLinks()) {
      link.hangUp(hangup);
    }
  }

  /**
   * Ends the connection that carries the given byte of a direction, counted from now over all
   * connections. Replaces an earlier call.
   */
  public synchronized void hangUpAfter(Direction direction, long bytes, Hangup hangup) {
    countdown = new Countdown(direction, bytes, hangup);
  }

  // Request faults.

  /** Injects the fault into the next HTTP request. */
  public void next(RequestFault fault) {
    next(1, "", fault);
  }

  /**
   * Injects the fault into the next requests that match. A request gets the first matching fault,
   * in the order of the calls.
   *
   * @param times number of requests; {@link Integer#MAX_VALUE}: all until {@link #heal}
   * @param inHead a text that the request line or the headers must contain
   */
  public synchronized void next(int times, String inHead, RequestFault fault) {
    pending.add(new PendingFault(fault, inHead, times));
  }

  /** Ends all delays of requests and answers. */
  public synchronized void releaseDelayed() {
    releases++;
    notifyAll();
  }

  /** Removes all faults. A request that already has a fault keeps it. */
  public synchronized void heal() {
    condition = Condition.GOOD;
    countdown = null;
    pending.clear();
    notifyAll();
  }

  /** The number of request faults that no request has received yet. */
  public synchronized int pendingFaults() {
    return pending.stream().mapToInt(fault -> fault.left).sum();
  }

  public synchronized ProxyCounts counts() {
    return new ProxyCounts(
        connections, refused, hungUp, requests, answers, faults, bytesToServer, bytesToClient);
  }

  /** The number of delayed or duplicated requests that the server has not answered yet. */
  public synchronized long inFlight() {
    return inFlight;
  }

  /** The number of open connections. */
  public synchronized int open() {
    return links.size();
  }

  // For links.

  synchronized RequestFault faultFor(String head) {
    requests++;
    for (Iterator<PendingFault> candidates = pending.iterator(); candidates.hasNext(); ) {
      PendingFault candidate = candidates.next();
      if (head.contains(candidate.inHead)) {
        faults++;
        if (candidate.left != Integer.MAX_VALUE && --candidate.left == 0) {
          candidates.remove();
        }
        return candidate.fault;
      }
    }
    return null;
  }

  /** Waits for the delay of a request's fault, or until the proxy is closed. */
  synchronized void pause(Duration duration) throws InterruptedException {
    long before = releases;
    long end = System.nanoTime() + duration.toNanos();
    for (long left = duration.toNanos();
        left > 0 && !closed && releases == before;
        left = end - System.nanoTime()) {
      wait(left / 1_000_000, (int) (left % 1_000_000));
    }
  }

  /**
   * Waits until some of the bytes may pass.
   *
   * @param link the bytes' link; null: the link has ended
   * @return the number of bytes, at least one
   * @throws IOException if the link has ended
   */
  synchronized int admit(Link link, Direction direction, int bytes)
      throws IOException, InterruptedException {
    if (!condition.delay().isZero()) {
      pauseWhileUnhealed(condition.delay());
    }
    while (condition.stalled() && !closed && (link == null || !link.isClosed())) {
      wait();
    }
    int admitted = bytes;
    if (condition.bytesPerSecond() > 0) {
      long tenth = Math.max(1, condition.bytesPerSecond() / 10);
      admitted = (int) Math.min(bytes, tenth);
      pauseWhileUnhealed(Duration.ofNanos(admitted * 1_000_000_000L / condition.bytesPerSecond()));
    }
    if (link != null && countdown != null && countdown.direction == direction) {
      if (countdown.bytes == 0) {
        Hangup hangup = countdown.hangup;
        countdown = null;
        link.hangUp(hangup);
      } else {
        admitted = (int) Math.min(admitted, countdown.bytes);
        countdown.bytes -= admitted;
      }
    }
    if (closed || (link != null && link.isClosed())) {
      throw new IOException("hung up");
    }
    if (direction == Direction.TO_SERVER) {
      bytesToServer += admitted;
    } else {
      bytesToClient += admitted;
    }
    return admitted;
  }

  /**
   * Waits until all of these bytes to the server may pass.
   *
   * @param link the bytes' link; null: the link has ended
   * @throws IOException if the link has ended
   */
  synchronized void admitWhole(Link link, int bytes) throws IOException, InterruptedException {
    if (link != null
        && countdown != null
        && countdown.direction == Direction.TO_SERVER
        && countdown.bytes < bytes) {
      countdown.bytes = 0;
    }
    int left = bytes;
    while (left > 0) {
      left -= admit(link, Direction.TO_SERVER, left);
    }
  }

  private void pauseWhileUnhealed(Duration duration) throws InterruptedException {
    Condition before = condition;
    long end = System.nanoTime() + duration.toNanos();
    for (long left = duration.toNanos();
        left > 0 && !closed && condition.equals(before);
        left = end - System.nanoTime()) {
      wait(left / 1_000_000, (int) (left % 1_000_000));
    }
  }

  synchronized void countHungUp() {
    hungUp++;
  }

  synchronized void startDelivery() {
    inFlight++;
  }

  synchronized void endDelivery() {
    inFlight--;
  }

  synchronized void countAnswer() {
    answers++;
  }

  synchronized void forget(Link link) {
    links.remove(link);
    notifyAll();
  }

  Socket connect() throws IOException {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(server);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  static void start(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    while (true) {
      Socket client;
      try {
        client = listener.accept();
      } catch (IOException e) {
        return;
      }
      start("fault-proxy-connect", () -> open(client));
    }
  }

  private void open(Socket client) {
    boolean refuse;
    synchronized (this) {
      connections++;
      refuse = condition.refusing() || closed;
    }
    Socket upstream = null;
    if (!refuse) {
      try {
        client.setTcpNoDelay(true);
        upstream = connect();
      } catch (IOException noServer) {
        refuse = true;
      }
    }
    synchronized (this) {
      if (!refuse && !closed) {
        Link link = new Link(this, client, upstream);
        links.add(link);
        link.start();
        return;
      }
      refused++;
    }
    Link.end(client, Hangup.RESET);
    if (upstream != null) {
      Link.end(upstream, Hangup.RESET);
    }
  }

  private synchronized List<Link> openLinks() {
    return new ArrayList<>(links);
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    try {
      listener.close();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot close the proxy's port", e);
    }
    hangUp(Hangup.RESET);
  }

  @Override
  public String toString() {
    return "127.0.0.1:" + port() + " in front of " + server;
  }
}
