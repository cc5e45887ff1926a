"""The templates that every alertmanager.yml may count on, under Alertmanager's names and with its output.

The HTML of the e-mail is our own; it says the same.
"""

from __future__ import annotations

from typing import Final

_SHARED: Final = """
{{ define "__alertmanager" }}Alertmanager{{ end }}

{{ define "__alertmanagerURL" -}}
  {{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | urlquery }}
{{- end }}

{{ define "__subject" -}}
  {{- $more := .CommonLabels.Remove .GroupLabels.Names -}}
  {{- $count := "" }}{{ if eq .Status "firing" }}{{ $count = .Alerts.Firing | len | printf ":%d" }}{{ end -}}
  [{{ toUpper .Status }}{{ $count }}] {{ join " " .GroupLabels.SortedPairs.Values }}{{ " " -}}
  {{- if gt (len .CommonLabels) (len .GroupLabels) }}({{ join " " $more.Values }}){{ end }}
{{- end }}

{{ define "__description" }}{{ end }}

{{ define "__text_pairs" -}}
  {{- range .SortedPairs }}{{ printf " - %s = %s\\n" .Name .Value }}{{ end -}}
{{- end }}

{{ define "__text_alert_list" -}}
  {{- range . -}}
    {{- println "Labels:" }}{{ template "__text_pairs" .Labels -}}
    {{- println "Annotations:" }}{{ template "__text_pairs" .Annotations -}}
    {{- printf "Source: %s\\n" .GeneratorURL -}}
  {{- end -}}
{{- end }}

{{ define "__text_alert_list_markdown" -}}
  {{- range . -}}
    {{- println "\\nLabels:" -}}
    {{- range .Labels.SortedPairs }}{{ printf "  - %s = %s\\n" .Name .Value }}{{ end -}}
    {{- println "\\nAnnotations:" -}}
    {{- range .Annotations.SortedPairs }}{{ printf "  - %s = %s\\n" .Name .Value }}{{ end -}}
    {{- printf "\\nSource: %s\\n" .GeneratorURL -}}
  {{- end -}}
{{- end }}

{{ define "__text_spaced" -}}
  {{- with .Alerts.Firing }}{{ "\\nAlerts Firing:\\n" }}{{ template "__text_alert_list" . }}{{ "\\n" }}{{ end -}}
  {{- "\\n" -}}
  {{- with .Alerts.Resolved }}{{ "\\nAlerts Resolved:\\n" }}{{ template "__text_alert_list" . }}{{ "\\n" }}{{ end -}}
  {{- "\\n" -}}
{{- end }}

{{ define "__text_dense" -}}
  {{- "\\n" }}{{ with .Alerts.Firing }}{{ "Alerts Firing:\\n" }}{{ template "__text_alert_list" . }}{{ end -}}
  {{- "\\n" }}{{ with .Alerts.Resolved }}{{ "Alerts Resolved:\\n" }}{{ template "__text_alert_list" . }}{{ end -}}
{{- end }}

{{ define "default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "default.message" }}{{ template "__text_spaced" . }}{{ end }}
"""

_NAMED: Final = {
    "slack.default": {
        "title": "__subject",
        "username": "__alertmanager",
        "titlelink": "__alertmanagerURL",
        **dict.fromkeys(("callbackid", "pretext", "text", "footer", "iconemoji", "iconurl"), ""),
    },
    "pagerduty.default": {
        "description": "__subject",
        "client": "__alertmanager",
        "clientURL": "__alertmanagerURL",
        "instances": "__text_alert_list",
    },
    "opsgenie.default": {"message": "__subject", "source": "__alertmanagerURL"},
    "wechat.default": dict.fromkeys(("to_user", "to_party", "to_tag", "agent_id"), ""),
    "victorops.default": {"entity_display_name": "__subject", "monitoring_tool": "__alertmanager"},
    "pushover.default": {"title": "__subject", "url": "__alertmanagerURL"},
    "sns.default": {"subject": "__subject"},
    "telegram.default": {"message": "__text_message"},
    "discord.default": {"title": "__subject", "message": "__text_message", "content": ""},
    "msteams.default": {"summary": "__subject", "title": "__subject", "text": "__markdown"},
    "msteamsv2.default": {"title": "__subject", "text": "__markdown"},
    "rocketchat.default": {"title": "__subject", "alias": "__alertmanager", "titlelink": "__alertmanagerURL"}
    | dict.fromkeys(("text", "emoji", "iconurl"), ""),
    "jira.default": {"summary": "__subject", "description": "__text_spaced"},
    "email.default": {"subject": "__subject", "text": "__text_spaced"},
}

_SINGLE: Final = """
{{ define "slack.default.fallback" -}}
  {{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}
{{- end }}

{{ define "__text_message" }}{{ "\\n" }}{{ template "__text_spaced" . }}{{ end }}

{{ define "__markdown" -}}
  {{- with .Alerts.Firing -}}
    {{ "\\n# Alerts Firing:\\n" }}{{ template "__text_alert_list_markdown" . }}{{ "\\n" }}
  {{- end -}}
  {{- "\\n" -}}
  {{- with .Alerts.Resolved -}}
    {{ "\\n# Alerts Resolved:\\n" }}{{ template "__text_alert_list_markdown" . }}{{ "\\n" }}
  {{- end -}}
  {{- "\\n" -}}
{{- end }}

{{ define "__annotated_dense" -}}
  {{- join " " .CommonAnnotations.SortedPairs.Values -}}{{- template "__text_dense" . -}}
{{- end }}

{{ define "__annotated_spaced" -}}
  {{- join " " .CommonAnnotations.SortedPairs.Values -}}{{ "\\n" }}{{- template "__text_spaced" . -}}
{{- end }}

{{ define "opsgenie.default.description" }}{{ template "__annotated_dense" . }}{{ end }}
{{ define "victorops.default.state_message" }}{{ template "__annotated_dense" . }}{{ end }}
{{ define "pushover.default.message" }}{{ template "__annotated_spaced" . }}{{ end }}
{{ define "sns.default.message" }}{{ template "__annotated_spaced" . }}{{ end }}
{{ define "webex.default.message" }}{{ template "__annotated_spaced" . }}{{ end }}
{{ define "jira.default.priority" }}{{ end }}

{{ define "wechat.default.message" -}}
  {{- template "__subject" . }}{{ "\\n" }}{{ template "__annotated_dense" . -}}
  {{- "\\nAlertmanagerUrl:\\n" }}{{ template "__alertmanagerURL" . -}}
{{- end }}
"""

_EMAIL: Final = """
{{ define "__email_pairs" }}{{ range .SortedPairs }}{{ .Name }} = {{ .Value }}<br>
{{ end }}{{ end }}

{{ define "__email_alerts" }}{{ range . }}
<div style="margin:0 0 16px;padding:0 0 12px;border-bottom:1px solid #e3e6ea">
<strong>Labels</strong><br>
{{ template "__email_pairs" .Labels }}
{{- if .Annotations }}<strong>Annotations</strong><br>
{{ template "__email_pairs" .Annotations }}{{ end }}
{{- if .GeneratorURL }}<a href="{{ .GeneratorURL }}" style="color:#1a5fb4">Source</a>{{ end }}
</div>
{{- end }}{{ end }}

{{ define "email.default.html" -}}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ template "__subject" . }}</title>
</head>
<body style="margin:0;padding:24px;background:#f4f5f7;color:#1c1f24;font:14px/1.5 Helvetica,Arial,sans-serif">
<div style="max-width:640px;margin:0 auto;background:#fff;border:1px solid #d7dbe0">
<h1 style="margin:0;padding:16px 20px;font-size:18px;color:#fff;background:
  {{- if gt (len .Alerts.Firing) 0 }}#b3261e{{ else }}#2d7d46{{ end }}">
{{ .Alerts | len }} alert{{ if gt (len .Alerts) 1 }}s{{ end }} for
{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
</h1>
<div style="padding:20px">
<p><a href="{{ template "__alertmanagerURL" . }}" style="color:#1a5fb4">
View in {{ template "__alertmanager" . }}</a></p>
{{ with .Alerts.Firing }}<h2 style="font-size:16px">[{{ len . }}] Firing</h2>
{{ template "__email_alerts" . }}
{{ end }}
{{- with .Alerts.Resolved }}<h2 style="font-size:16px">[{{ len . }}] Resolved</h2>
{{ template "__email_alerts" . }}
{{ end -}}
<p style="font-size:12px;color:#6b7280"><a href="{{ .ExternalURL }}">Sent by {{ template "__alertmanager" . }}</a></p>
</div>
</div>
</body>
</html>
{{ end }}
"""


def _named() -> str:
    """Definitions that only call another template, or give nothing."""
    lines: list[str] = []
    for prefix, parts in _NAMED.items():
        for part, target in parts.items():
            body = f'{{{{ template "{target}" . }}}}' if target else ""
            lines.append(f'{{{{ define "{prefix}.{part}" }}}}{body}{{{{ end }}}}')
    return "\n".join(lines)


DEFAULT_TEMPLATES: Final = (
    ("default.tmpl", _SHARED + _named() + _SINGLE),
    ("email.tmpl", _EMAIL),
)
"""Name and text of each file."""
