"""Discord: an embed through a channel's webhook."""

from hypercare.channels.base import Channel
from hypercare.channels.discord.config import DiscordConfig, contact
from hypercare.channels.discord.render import page, render
from hypercare.channels.discord.send import classify, request

CHANNEL = Channel("discord", "discord_configs", DiscordConfig, render, page, request, classify, contact)

__all__ = ["CHANNEL", "DiscordConfig"]
