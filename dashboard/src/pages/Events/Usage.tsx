import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Schema } from "@/api";
import { UNPRICED, count, decimal, exactMoney } from "@/format";
import { classes } from "@/utils/classes";
import { Card } from "@/ui";
import { priceSource, whyNoRates } from "./price";

interface Line {
  name: string;
  tokens: number;
  rate: number | null | undefined;
  /** A part of the line above it. */
  part?: boolean;
}

/** Tokens of each kind, their rates, and the source of the price. */
export function Usage({ call }: { call: Schema<"EventDetail"> }) {
  const { rates } = call;
  const source = priceSource(call.pricing);
  const lines: Line[] = [
    { name: "Input", tokens: call.input_tokens, rate: rates?.input },
    { name: "read from cache", tokens: call.cache_read_tokens, rate: rates?.cache_read, part: true },
    { name: "written to cache", tokens: call.cache_write_tokens, rate: rates?.cache_write, part: true },
    {
      name: "written to the 1-hour cache",
      tokens: call.cache_write_1h_tokens,
      rate: rates?.cache_write_1h,
      part: true,
    },
    { name: "Output", tokens: call.output_tokens, rate: rates?.output },
    { name: "reasoning", tokens: call.reasoning_tokens, rate: rates?.reasoning, part: true },
  ];
  const others = Object.entries(call.usage_detail);
  return (
    <Card title="Usage and price" flush>
      <div className="overflow-x-auto px-4 sm:px-5">
        <table className="w-full text-left" data-usage>
          <caption className="sr-only">Tokens by kind and their rates</caption>
          <thead>
            <tr className="border-b text-xs text-muted">
              <Head>Kind</Head>
              <Head right>Tokens</Head>
              <Head right>$ per 1M tokens</Head>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.name} className="border-b">
                <th scope="row" className={classes("py-2 font-normal", line.part && "pl-5 text-muted")}>
                  {line.name}
                </th>
                <td className={classes("py-2 text-right", line.part && "text-muted")}>{count(line.tokens)}</td>
                <td className={classes("py-2 text-right", line.part && "text-muted")}>
                  {line.rate === null || line.rate === undefined ? "–" : exactMoney(line.rate)}
                </td>
              </tr>
            ))}
            <tr className="border-b">
              <th scope="row" className="py-2 font-medium">
                Total tokens
              </th>
              <td className="py-2 text-right font-medium">{count(call.total_tokens)}</td>
              <td />
            </tr>
            {rates && rates.request > 0 && (
              <tr className="border-b">
                <th scope="row" className="py-2 font-normal">
                  Request
                </th>
                <td />
                <td className="py-2 text-right">{exactMoney(rates.request)} per call</td>
              </tr>
            )}
            {others.map(([name, value]) => (
              <tr key={name} className="border-b">
                <th scope="row" className="py-2 font-normal">
                  {name.replaceAll("_", " ")}
                </th>
                <td className="py-2 text-right">
                  {typeof value === "number" ? decimal(value) : JSON.stringify(value)}
                </td>
                <td />
              </tr>
            ))}
            <tr>
              <th scope="row" className="py-2 font-semibold">
                Cost
              </th>
              <td />
              <td className={classes("py-2 text-right font-semibold", call.cost === null && "text-warn")} data-cost>
                {call.cost === null ? UNPRICED : exactMoney(call.cost)}
              </td>
            </tr>
          </tbody>
        </table>
      </div>
      <div className="space-y-1 rounded-b-xl border-t bg-sunken/60 px-4 py-3 text-[0.8125rem] sm:px-5">
        <p>
          <span className="text-muted">Price: </span>
          <span className="font-medium" data-price-source>
            {source.text}
          </span>
          {source.note !== undefined && <span className="text-muted [overflow-wrap:anywhere]"> · {source.note}</span>}
          {source.own && (
            <>
              {" "}
              <Link
                to="/app/settings/prices"
                className="rounded text-accent underline underline-offset-2 hover:text-accent-strong"
              >
                Custom prices
              </Link>
            </>
          )}
        </p>
        {rates === null && <p className="text-muted">{whyNoRates(call.pricing)}</p>}
      </div>
    </Card>
  );
}

const Head = ({ right, children }: { right?: boolean; children: ReactNode }) => (
  <th scope="col" className={classes("py-2 font-medium", right && "text-right")}>
    {children}
  </th>
);
